"""Judgement of facts: settings and facts in, findings out; nothing is asked, nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Group, bad, on_host
from ampere_infra.doctor.judges.account import account, clock
from ampere_infra.doctor.judges.front import front, names
from ampere_infra.doctor.judges.libvirt import disks, libvirt
from ampere_infra.doctor.judges.machine import capacity, virtualisation
from ampere_infra.doctor.judges.network import addresses, network
from ampere_infra.doctor.judges.programs import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings

__all__ = ["judged"]

_JUDGES = {
    "account": account,
    "virtualisation": virtualisation,
    "memory and processors": capacity,
    "libvirt": libvirt,
    "disks": disks,
    "network": network,
    "addresses": addresses,
    "NGINX": front,
    "names": names,
    "clock": clock,
    "programs": programs,
}


def judged(settings: HomeSettings, facts: Facts) -> Iterator[Group]:
    """Yield what ``facts`` say about the host, group by group; all that is left out is told."""
    if not facts.whole:
        found = "the probe broke off; what it had not looked at yet is told as unknown"
        yield Group("probe", (bad("probe", found, on_host("sh -c 'df -h; uptime; dmesg | tail'")),))
    for title, judge in _JUDGES.items():
        if findings := tuple(judge(settings, facts)):
            yield Group(f"host: {title}", findings)
