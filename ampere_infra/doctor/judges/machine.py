"""The host as a machine: whether it virtualises, and whether it is large enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ampere_infra.doctor.facts import number_of
from ampere_infra.doctor.findings import (
    Finding,
    Remedy,
    bad,
    here,
    ok,
    on_host,
    unknown,
    warning,
)
from ampere_infra.doctor.judges.shared import is_ready, ready
from ampere_infra.machines.scripts import owner
from ampere_infra.settings.sizes import GIB, KIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings

OF_THE_HOST: Final = GIB
"""Memory that the host needs besides its machines, NGINX and page cache included."""

_FIRMWARE = "turn on VT-x or AMD-V (SVM) in the firmware; in a machine, nested virtualisation"


def virtualisation(_: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """KVM is there, may be used, and runs a machine."""
    flag = facts.value("processor")
    if flag:
        yield ok("processor", f"virtualises ({flag})")
    elif facts.number("processor", 1) is None:
        yield unknown("processor", "not told")
    else:
        yield bad("processor", "it offers neither vmx nor svm", on_host(_FIRMWARE))
    yield ready(facts, "kvm", "KVM")
    if is_ready(facts, "kvm"):
        yield _works(facts)


def _works(facts: Facts) -> Finding:
    user, works = facts.value("user") or "$USER", facts.values("kvm.works", 2)
    if facts.value("kvm.access") == "no":
        join = on_host(f"sudo usermod -aG kvm {user}, then log in again")
        return unknown("a machine starts", f"{user} may not open /dev/kvm to try", join)
    if works[0] == "yes":
        return ok("a machine starts", "with KVM")
    if works[0] == "no":
        found = f"/dev/kvm is there, but QEMU cannot use it: {works[1] or 'it does not say why'}"
        steps = on_host("sudo dmesg | grep -i kvm"), on_host(_FIRMWARE)
        return bad("a machine starts", found, *steps)
    return unknown("a machine starts", "not tried", on_host("sudo apt install qemu-system-x86"))


def capacity(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The machines' memory fits into the host's, and none has more processors than it."""
    machines = (s.control_plane, *s.workers.machines)
    yield _memory(s, facts)
    cores, most = facts.number("processor", 1), max(machines, key=lambda m: m.vcpu)
    if cores is None:
        yield unknown("processors", "not told")
    elif most.vcpu > cores:
        found = f"{most.name} is to have {most.vcpu}, the host has {cores}"
        yield warning("processors", found, _settings(f"give {most.name} vcpu: {cores}"))
    else:
        yield ok("processors", f"{cores}; no machine is to have more than {most.vcpu}")


def _memory(s: HomeSettings, facts: Facts) -> Finding:
    asked = sum(m.memory for m in (s.control_plane, *s.workers.machines))
    kibibytes = facts.number("memory")
    if kibibytes is None:
        return unknown("memory", "not told")
    there, others = kibibytes * KIB, _others(s, facts)
    found = f"the machines are to have {Size(asked)}, the host has {rounded(there)}"
    steps = [_settings("give the machines less memory, or fewer workers")]
    if others:
        there -= sum(others.values())
        found += f", of which {', '.join(others)} may take {rounded(sum(others.values()))}"
        largest = max(others, key=lambda name: others[name])
        steps.append(on_host(f"or: virsh --connect qemu:///system shutdown {largest}"))
    if asked > there:
        return bad("memory", found, *steps)
    if asked > there - OF_THE_HOST:
        return warning("memory", f"{found}, and it needs some itself", *steps)
    return ok("memory", found)


def _others(s: HomeSettings, facts: Facts) -> dict[str, int]:
    """Return the most memory, in bytes, of each running machine that is not this cluster's."""
    ours = f"{owner(s.cluster.name)}/"
    told = ((*values, "", "", "")[:3] for values in facts.all("running"))
    return {
        name: size * KIB
        for name, kibibytes, description in told
        if (size := number_of(kibibytes)) and not description.startswith(ours)
    }


def _settings(change: str) -> Remedy:
    return here(f"in Pulumi.home.yaml {change}; then: uv run ampere check home")


def rounded(size: float) -> str:
    """Return a number of bytes as a person reads it."""
    return f"{size / GIB:.1f}GiB"
