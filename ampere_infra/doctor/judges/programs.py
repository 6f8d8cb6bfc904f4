"""The programs on the host and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Finding, bad, ok, on_host, unknown, warning
from ampere_infra.doctor.floors import HOST, KUBECTL_SKEW, Floor, is_older, version_in
from ampere_infra.doctor.judges.shared import is_ready, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings


def programs(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """Every program that the host needs is there, and new enough."""
    for name, floor in HOST.items():
        wanted = {"nginx": s.host.apply_nginx, "dnsmasq": s.network.mode == "nat"}.get(name, True)
        if wanted:
            yield _program(name, floor, facts)
    for name in ("ssh-agent", "ssh-add", "ssh-keyscan"):
        yield ready(facts, name)
    yield _kubectl(s.versions.kubernetes, facts)


def _program(name: str, floor: Floor, facts: Facts) -> Finding:
    printed = facts.named("version", name)
    if printed is None:
        return unknown(name, "not looked at")
    if not "".join(printed):
        return bad(name, f"{name} is missing", on_host(floor.remedy))
    found = version_in(" ".join(printed))
    if found is None:
        return unknown(name, "it tells no version", on_host(f"{name} {floor.ask}"))
    if is_older(found, floor.version):
        return bad(name, f"{found}; {floor.version} or newer is needed", on_host(floor.remedy))
    return ok(name, found)


def _kubectl(cluster: str, facts: Facts) -> Finding:
    there = ready(facts, "kubectl")
    if not is_ready(facts, "kubectl"):
        return there
    found = version_in(" ".join(facts.named("version", "kubectl") or ()))
    if found is None:
        return unknown("kubectl", "it tells no version", on_host("kubectl version --client"))
    minor, wanted = (int(version.split(".")[1]) for version in (found, cluster))
    if abs(minor - wanted) > KUBECTL_SKEW:
        text = f"{found}; the cluster's {cluster} wants one that is at most a minor version off"
        channel = f"1.{wanted}/stable"
        return warning("kubectl", text, on_host(f"sudo snap refresh kubectl --channel={channel}"))
    return ok("kubectl", found)
