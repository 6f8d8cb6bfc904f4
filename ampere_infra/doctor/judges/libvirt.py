"""libvirt on the host: reached, new enough, with room, and nothing of somebody else in the way."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from ampere_infra.doctor.findings import Finding, bad, here, ok, on_host, unknown, warning
from ampere_infra.doctor.floors import LIBVIRTD, is_older, version_in
from ampere_infra.doctor.judges.machine import rounded
from ampere_infra.doctor.judges.shared import is_ready, ready
from ampere_infra.machines.scripts import marker
from ampere_infra.settings.sizes import GIB, KIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings

BASE_IMAGE: Final = GIB
"""Ubuntu's cloud image takes 0.6 GiB; it is downloaded into the user's cache, then uploaded."""
GROWN_ROOT: Final = 5 * GIB
"""What a root disk takes once Kubernetes and its first images are there."""

VIRSH: Final = "virsh --connect qemu:///system"
_RENAME = "or in Pulumi.home.yaml give the cluster another name (ampere:cluster.name)"


def libvirt(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """It answers this user, and what it has by our names is ours."""
    yield ready(facts, "libvirt", "reached")
    if not is_ready(facts, "libvirt"):
        return
    yield _version(facts)
    yield ready(facts, "apparmor", "AppArmor")
    yield _pool(s, facts)
    for node in (s.control_plane, *s.workers.machines):
        described = facts.named("domain", node.name)
        if described is not None and described[:1] != (marker(s.cluster.name, node.name),):
            found = f"there is a machine {node.name} that is not of this cluster"
            rename = f"{VIRSH} domrename {node.name} {node.name}-old"
            yield bad("machines", found, on_host(rename), here(f"rename it in {_FILE}"))


_FILE = "Pulumi.home.yaml"


def _version(facts: Facts) -> Finding:
    said = facts.value("libvirt.version")
    _, _, daemon = said.partition("Running against daemon:")
    found = version_in(daemon)
    if found is None:
        return unknown("version", "not told", on_host(f"{VIRSH} version --daemon"))
    if is_older(found, LIBVIRTD.version):
        older = f"libvirtd {found} is older than {LIBVIRTD.version}"
        return bad("version", older, on_host(LIBVIRTD.remedy))
    return ok("version", f"libvirtd {found}")


def _pool(s: HomeSettings, facts: Facts) -> Finding:
    name, path = s.cluster.name, s.storage.pool_path
    pools = {values[0]: values[1] for values in facts.all("pool") if len(values) > 1}
    other = f"or in {_FILE} set another ampere:storage.pool_path"
    if pools.get(name, path) != path:
        found = f"there is a pool {name} already, at {pools[name]}, that is not of this cluster"
        gone = f"if nobody needs it: {VIRSH} pool-destroy {name}; {VIRSH} pool-undefine {name}"
        return bad("pool", found, on_host(gone), here(_RENAME))
    for theirs, where in pools.items():
        if theirs != name and where.rstrip("/") == path:
            found = f"the pool {theirs} has the folder {path} already"
            gone = (
                f"if nobody needs it: {VIRSH} pool-destroy {theirs}; {VIRSH} pool-undefine {theirs}"
            )
            return bad("pool", found, on_host(gone), here(other))
    state = "there, at" if name in pools else "still to be made, at"
    return ok("pool", f"{name} is {state} {path}")


def disks(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The disks fit, and lie where they are meant to."""
    path, parent = s.storage.pool_path, str(PurePosixPath(s.storage.pool_path).parent)
    there, _ = facts.values("folder", 2)
    if not there:
        yield unknown("folder", "not told")
    elif there in (path, parent):
        yield ok("folder", there)
    else:
        found = f"there is no {parent}: the disks would lie on the file system of {there}"
        yield warning("folder", found, on_host(f"mount the disk meant for it: findmnt {parent}"))
    yield _room(s, facts)
    yield _download(facts)


def _room(s: HomeSettings, facts: Facts) -> Finding:
    free = facts.number("folder", 1)
    if free is None:
        return unknown("room", "not told", on_host(f"df -h {s.storage.pool_path}"))
    machines = (s.control_plane, *s.workers.machines)
    asked = BASE_IMAGE + sum(m.root_disk + m.data_disk for m in machines)
    least = BASE_IMAGE + GROWN_ROOT * len(machines)
    there = free * KIB + (facts.number("allocated") or 0)
    found = f"the disks may grow to {rounded(asked)}, there is room for {rounded(there)}"
    more = on_host(f"free or add space: df -h {facts.value('folder')}")
    other = here(f"or in {_FILE} set a folder with more room, or smaller disks")
    if there < least:
        return bad("room", f"{found}; the start alone takes {rounded(least)}", more, other)
    if there < asked:
        return warning("room", found, more, other)
    return ok("room", found)


def _download(facts: Facts) -> Finding:
    where, free = facts.value("cache"), facts.number("cache", 1)
    if free is None:
        return unknown("download", "not told")
    found = f"{rounded(free * KIB)} free in {where}"
    if free * KIB < BASE_IMAGE:
        wanted = f"{found}; the image needs {rounded(BASE_IMAGE)}"
        return bad("download", wanted, on_host(f"free some space: df -h {where}"))
    return ok("download", found)
