"""What a KVM host has that ``destroy`` must take away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.ground.home import ADDRESSES, MASTER, POOL

if TYPE_CHECKING:
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
    """Return the firewall's rules, without libvirt's own chains, which stay for any network."""
    subnet = ADDRESSES[MASTER].rpartition(".")[0]
    saved = host.run("iptables-save").stdout.splitlines()
    return "\n".join(line for line in saved if subnet in line)
