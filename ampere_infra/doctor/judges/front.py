"""The front on the host: NGINX, its ports, and the names that lead to it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from ampere_infra.bootstrap.spec import API_PORT
from ampere_infra.doctor.findings import (
    Finding,
    Place,
    Remedy,
    Verdict,
    bad,
    here,
    ok,
    on_host,
    unknown,
    warning,
)
from ampere_infra.doctor.judges.shared import is_ready, ready
from ampere_infra.platform.nginx import stream_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings

HTTP_PORT = 80
_EVERYWHERE = ("0.0.0.0", "*", "[::]")  # noqa: S104 - what `ss` says, nothing is bound


def front(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """NGINX is there, may be changed, and has its ports."""
    behind_nat = s.network.mode == "nat"
    programs = [ready(facts, "nginx", "NGINX")]
    if behind_nat:
        programs.append(ready(facts, "stream", "stream module"))
    if not s.host.apply_nginx:
        yield from map(_by_hand, programs)
        if behind_nat:
            yield _stream_file(s, facts)
        return
    yield from programs
    yield _rights(facts)
    yield _port(facts, HTTP_PORT, None, known="nginx" in facts.value("server"))
    if behind_nat:
        known = facts.value("stream_file") == "yes"
        yield _port(facts, API_PORT, s.host.address, known=known)


def _by_hand(finding: Finding) -> Finding:
    """Return ``finding`` for a front that a person sets up, who may not have come to it yet."""
    found = f"{finding.found}; set up by hand (ampere:host.apply_nginx is false)"
    verdict = Verdict.WARNING if finding.verdict is Verdict.BAD else finding.verdict
    return replace(finding, verdict=verdict, found=found)


def _stream_file(s: HomeSettings, facts: Facts) -> Finding:
    check, path = "stream file", stream_path(s.cluster.name)
    there = facts.value("stream_file")
    if there == "yes":
        return ok(check, path)
    if there != "no":
        return unknown(check, "not told", on_host(f"ls {path}"))
    found = f"there is no {path}; behind NAT, `pulumi up` reaches the API through it"
    shown = here("see its text, in the output nginx: pulumi preview -s home")
    return warning(check, found, shown, on_host(f"write {path}; sudo systemctl reload nginx"))


def _rights(facts: Facts) -> Finding:
    if not is_ready(facts, "sudo"):
        return ready(facts, "sudo", "rights")
    allowed = sum(values[:1] == ("sudo",) for values in facts.all("fine"))
    return ok("rights", f"all {allowed} commands that run as root, without a password")


def _port(facts: Facts, port: int, address: IPv4Address | None, *, known: bool) -> Finding:
    """Return whether NGINX has ``port`` or can have it; ``known`` where signs speak for it."""
    check, listeners = f"port {port}", list(_listeners(facts, port, address))
    if facts.value("ss") != "yes":
        return unknown(check, "there is no `ss` to ask", on_host("sudo apt install iproute2"))
    if not listeners:
        return ok(check, "free")
    process = " ".join(process for _, process in listeners)
    if '"nginx"' in process or (known and "users:" not in process):
        return ok(check, "NGINX's")
    where = ", ".join(dict.fromkeys(local for local, _ in listeners))
    return bad(
        check,
        f"something else than NGINX listens at {where}",
        on_host(f"stop it, or move it to another port: sudo ss -ltnp 'sport = :{port}'"),
    )


def _listeners(facts: Facts, port: int, address: IPv4Address | None) -> Iterator[tuple[str, str]]:
    for local, process, *_ in ((*values, "") for values in facts.all("listener")):
        where, _, number = local.rpartition(":")
        meets = address is None or where in (*_EVERYWHERE, str(address))
        if number == f"{port}" and meets:
            yield local, process


def names(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The services' names lead to the host, as the host itself sees it."""
    for name in s.services.domains.model_dump().values():
        told = facts.named("name", name)
        if told is None:
            yield unknown(name, "not told", on_host(f"getent ahostsv4 {name}"))
        else:
            yield resolved(s, name, told[0].split() if told else (), Place.HOST)


def resolved(
    s: HomeSettings, name: str, addresses: Collection[str], place: Place, line: str | None = None
) -> Finding:
    """Return whether ``name`` leads to the host, seen from ``place``.

    ``line`` is the command that helps there, by default Linux's.
    """
    wanted = str(s.host.address)
    good = [a for a in addresses if a == wanted or (place is Place.HOST and is_loopback(a))]
    if addresses and len(good) == len(addresses):
        return ok(name, ", ".join(good))
    remedy = Remedy(place, line or hosts_line(s))
    lan = Remedy(place, f"or give the name to the router's DNS, then: ping {name}")
    if good:
        found = f"it leads to {', '.join(addresses)}, of which only {wanted} is the host"
        return warning(name, found, remedy)
    found = f"it leads to {', '.join(addresses)}, not {wanted}" if addresses else "it is not known"
    return bad(name, found, remedy, lan)


def hosts_line(s: HomeSettings) -> str:
    """Return what makes the names known on Linux or macOS."""
    known = f"{s.host.address} {' '.join(s.services.domains.model_dump().values())}"
    return f"echo '{known}' | sudo tee -a /etc/hosts"


def is_loopback(address: str) -> bool:
    """Whether ``address`` is a machine's own, wherever it is asked."""
    try:
        return IPv4Address(address).is_loopback
    except ValueError:
        return False
