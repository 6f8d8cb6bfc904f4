"""What a KVM host has that ``destroy`` must take away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.machines.libvirt.site import bridge_name
from tests.ground.home import ADDRESSES, MASTER, POOL
from tests.ground.stack import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.ground.host import TestHost

_LISTS = {
    "domains": "list --all --name",
    "networks": "net-list --all --name",
    "pools": "pool-list --all --name",
}


def made_on(host: TestHost) -> dict[str, str]:
    """Return the host's domains, networks, volumes, leases, links, rules and files, as text."""
    told = {what: host.virsh(*words.split()) for what, words in _LISTS.items()}
    pool = host.folder / POOL.removeprefix("/")
    leases = sorted(host.folder.glob("var/lib/libvirt/dnsmasq/*"))
    return told | {
        "links": host.run("ip", "-brief", "link").stdout,
        "rules": _rules(host),
        "volumes": str(sorted(pool.iterdir()) if pool.exists() else []),
        "leases": str([path.name for path in leases]),
        "cache": str(sorted((host.home / ".cache").rglob("*"))),
    }


def _rules(host: TestHost) -> str:
    """Return the firewall's rules about the stack's network, by whatever program they were made."""
    marks = (ADDRESSES[MASTER].rpartition(".")[0], bridge_name(CLUSTER))
    listings = (("iptables-save",), ("ip6tables-save",), ("nft", "list", "ruleset"))
    return rules_about(marks, [host.run(*words).stdout for words in listings])


def rules_about(marks: Iterable[str], listings: Iterable[str]) -> str:
    """Return those lines of the firewall's ``listings`` that name any of ``marks``.

    libvirt's own chains, which stay once there was any network, name none.
    """
    marks = tuple(marks)
    lines = [line.strip() for listing in listings for line in listing.splitlines()]
    return "\n".join(line for line in lines if any(mark in line for mark in marks))
