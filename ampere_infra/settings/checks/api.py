"""Cross-checks of the ``api`` stack, beside those that it shares with ``home``."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ampere_infra.settings.checks import (
    edge,
    host,
    networks,
    quotas,
    services,
    traffic,
    versions,
)
from ampere_infra.settings.checks.common import is_private, repeated, wrong
from ampere_infra.settings.mistakes import Mistake, path_of
from ampere_infra.settings.plan import found, others, told
from ampere_infra.settings.types import GIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.api import ApiSettings

_LEAST_CORES, _LEAST_MEMORY = 2, Size(4 * GIB)
"""kubeadm asks for two processors; gateway, Cilium and services do not fit beside it in less."""
_WIDEST = 16
"""The shortest prefix of an administrator's network: a whole provider is nobody's own."""
_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_LONGEST_RANGE, _LONGEST_SUBNET = 24, 30
"""https://docs.hetzner.cloud/reference/cloud#networks-create-a-network"""
_RESERVED = IPv4Network("172.31.1.1/32")
"""The gateway of a server's public interface."""
_RETIRED = "is a server type that Hetzner gives out no more"


def type_is_listed(s: ApiSettings) -> Iterator[Mistake]:
    """The server type has a price."""
    if found(s.prices, s.server.type) is None:
        here = [r for r in s.prices.servers if s.server.location in r.locations and not r.retired]
        remedy = "is not in ampere:prices.servers; choose one of "
        yield wrong(s.server.type, f"{remedy}{told(here)}, or add it there", "server", "type")


def type_is_given_out(s: ApiSettings) -> Iterator[Mistake]:
    """The server type can be had, somewhere."""
    row = found(s.prices, s.server.type)
    if row is not None and row.retired:
        yield wrong(s.server.type, f"{_RETIRED}; {_instead(s)}", "server", "type")


def type_is_where_it_shall_stand(s: ApiSettings) -> Iterator[Mistake]:
    """The server type can be had at the location."""
    row = found(s.prices, s.server.type)
    if row is not None and not row.retired and s.server.location not in row.locations:
        places = ", ".join(row.locations)
        remedy = f"is not to be had at {s.server.location}, only at {places}; {_instead(s)}"
        yield wrong(s.server.type, remedy, "server", "type")


def _instead(s: ApiSettings) -> str:
    row = found(s.prices, s.server.type)
    rows = others(s.prices, row, s.server.location) if row else []
    if not rows:
        return f"at {s.server.location} nothing else has as much; choose another location"
    return f"at {s.server.location} these would fit: {told(rows)}"


def type_is_large_enough(s: ApiSettings) -> Iterator[Mistake]:
    """The server carries a control plane and what it is there for."""
    row = found(s.prices, s.server.type)
    if row is not None and (row.cores < _LEAST_CORES or row.memory < _LEAST_MEMORY):
        least = f"{_LEAST_CORES} vCPU and {_LEAST_MEMORY}"
        remedy = f"has {row.cores} vCPU and {row.memory}; use one with at least {least}"
        yield wrong(s.server.type, remedy, "server", "type")


def prices_are_of_different_types(s: ApiSettings) -> Iterator[Mistake]:
    """Each server type has one price."""
    yield from repeated(
        (("prices", "servers", i, "type"), row.type)
        for i, row in enumerate(s.prices.servers)
        if hasattr(row, "type")
    )


def range_is_hetzners(s: ApiSettings) -> Iterator[Mistake]:
    """The private network is one that Hetzner makes."""
    network = s.network.range
    if not any(network.subnet_of(one) for one in _RANGES) or network.prefixlen > _LONGEST_RANGE:
        remedy = (
            "is no network that Hetzner makes; use a part of 10.0.0.0/8, 172.16.0.0/12 or "
            f"192.168.0.0/16 with a prefix of at most /{_LONGEST_RANGE}"
        )
        yield wrong(network, remedy, "network", "range")


def range_leaves_the_gateway(s: ApiSettings) -> Iterator[Mistake]:
    """The private network does not hide the way to the internet."""
    network = s.network.range
    if network.overlaps(_RESERVED):
        remedy = f"holds {_RESERVED.network_address}, the gateway of every server; use another"
        yield wrong(network, remedy, "network", "range")


def subnet_is_inside(s: ApiSettings) -> Iterator[Mistake]:
    """The subnet is a part of the private network."""
    network, subnet = s.network.range, s.network.subnet
    if not subnet.subnet_of(network):
        remedy = f"is outside ampere:network.range {network}; choose a part of it"
        yield wrong(subnet, remedy, "network", "subnet")
    elif subnet.prefixlen > _LONGEST_SUBNET:
        yield wrong(subnet, f"is too small; use /{_LONGEST_SUBNET} or less", "network", "subnet")


def address_is_the_servers(s: ApiSettings) -> Iterator[Mistake]:
    """The private address is one that Hetzner gives to a server."""
    address, subnet = s.network.address, s.network.subnet
    taken = {subnet.network_address, s.network.range[1], subnet.broadcast_address}
    if address not in subnet:
        remedy = f"is outside ampere:network.subnet {subnet}; choose one inside"
        yield wrong(address, remedy, "network", "address")
    elif address in taken:
        remedy = "is the network's, its gateway's or the last one; choose another"
        yield wrong(address, remedy, "network", "address")


def networks_inside_are_apart(s: ApiSettings) -> Iterator[Mistake]:
    """The networks of pods and services do not overlap the private one."""
    for name in ("pod_network", "service_network"):
        inside = getattr(s.cluster, name)
        if inside.overlaps(s.network.range):
            remedy = f"overlaps ampere:network.range, which is {s.network.range}; choose another"
            yield wrong(inside, remedy, "cluster", name)


def admins_are_somebody(s: ApiSettings) -> Iterator[Mistake]:
    """Administrators are named by public addresses of their own."""
    for index, network in enumerate(s.access.admins):
        at = ("access", "admins", index)
        if network.prefixlen < _WIDEST:
            remedy = "lets too many in; write your own public address, or Tailscale instead"
            yield wrong(network, remedy, *at)
        elif is_private(network):
            remedy = "is private; write the public address that your connections come from"
            yield wrong(network, remedy, *at)


def admins_differ(s: ApiSettings) -> Iterator[Mistake]:
    """An administrator is named once."""
    yield from repeated((("access", "admins", i), one) for i, one in enumerate(s.access.admins))


def tailnet_is_named(s: ApiSettings) -> Iterator[Mistake]:
    """The API's certificate can name the server as the tailnet does."""
    if s.tailscale.enabled and s.tailscale.tailnet is None:
        remedy = "is needed where Tailscale is enabled; write it, such as tail1a2b3.ts.net"
        yield Mistake(path_of(("tailscale", "tailnet")), "", remedy)


def tags_differ(s: ApiSettings) -> Iterator[Mistake]:
    """A tag is given once."""
    yield from repeated((("tailscale", "tags", i), tag) for i, tag in enumerate(s.tailscale.tags))


def names_are_in_the_zone(s: ApiSettings) -> Iterator[Mistake]:
    """Records are set in the zone that is named."""
    zone = s.dns.zone
    for name in ("api", "website"):
        domain = getattr(getattr(s, name, None), "domain", "")
        if zone is not None and domain and not f".{domain}".endswith(f".{zone}"):
            remedy = f"is not in ampere:dns.zone {zone}; choose one in it, or leave the zone out"
            yield wrong(domain, remedy, name, "domain")


OWN = (
    type_is_listed,
    type_is_given_out,
    type_is_where_it_shall_stand,
    type_is_large_enough,
    prices_are_of_different_types,
    range_is_hetzners,
    range_leaves_the_gateway,
    subnet_is_inside,
    address_is_the_servers,
    networks_inside_are_apart,
    admins_are_somebody,
    admins_differ,
    tailnet_is_named,
    tags_differ,
    names_are_in_the_zone,
)
CHECKS = (
    host.login_is_free,
    *networks.INSIDE,
    *OWN,
    *edge.CHECKS,
    *versions.OF_A_CLUSTER,
    versions.envoy_gateway_is_known,
    versions.cert_manager_is_known,
    services.probes_fit_the_timeout,
    *quotas.CHECKS,
    *traffic.CHECKS,
    traffic.no_front_is_named,
)
