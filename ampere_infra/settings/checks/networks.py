"""Checks of the networks: private, apart from each other, and large enough."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import is_private, is_unicast, listed, repeated, wrong
from ampere_infra.settings.mistakes import Location, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network

    from ampere_infra.settings.checks.common import ClusterSettings
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.mistakes import Mistake

_SUBNET: Location = ("network", "subnet")
_PODS: Location = ("cluster", "pod_network")
_SERVICES: Location = ("cluster", "service_network")

_NODE_PREFIX = 24
"""The pods' network of one node: the controller manager's default ``--node-cidr-mask-size``."""
_MOST_NODE_BITS = 16
"""How much wider than a node's the pod network may be (kube-controller-manager)."""
_SERVICE_PREFIXES = range(12, 25)
"""The API server takes at most 20 bits of service addresses; fewer than 8 bits run out."""


def _networks(s: ClusterSettings) -> Iterator[tuple[Location, IPv4Network]]:
    if hasattr(s, "network") and hasattr(s.network, "subnet"):
        yield _SUBNET, s.network.subnet
    for location in (_PODS, _SERVICES):
        if hasattr(s, "cluster") and hasattr(s.cluster, str(location[1])):
            yield location, getattr(s.cluster, str(location[1]))


def networks_are_private(s: ClusterSettings) -> Iterator[Mistake]:
    """No network takes addresses of the internet."""
    for location, network in _networks(s):
        if not is_private(network):
            remedy = "is not private; use a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
            yield wrong(network, remedy, *location)


def networks_are_apart(s: HomeSettings) -> Iterator[Mistake]:
    """The networks of nodes, pods and services do not overlap."""
    for (first, one), (second, other) in combinations(_networks(s), 2):
        if one.overlaps(other):
            remedy = f"overlaps {path_of(first)}, which is {one}; choose one apart from it"
            yield wrong(other, remedy, *second)


def host_is_outside(s: HomeSettings) -> Iterator[Mistake]:
    """The host's LAN is not hidden by a network inside the cluster."""
    address = s.host.address
    for location, network in _networks(s):
        if address in network and location != _SUBNET:
            remedy = f"holds the host's address {address}; choose one apart from the LAN"
            yield wrong(network, remedy, *location)


def host_fits_the_mode(s: HomeSettings) -> Iterator[Mistake]:
    """Behind NAT the nodes' network is not the LAN; on a bridge it is."""
    address, network = s.host.address, s.network
    if network.mode == "nat" and address in network.subnet:
        remedy = (
            f"holds the host's LAN address {address}; behind NAT, choose one apart from the LAN"
        )
        yield wrong(network.subnet, remedy, *_SUBNET)
    if network.mode == "bridge" and address not in network.subnet:
        remedy = (
            f"must be the host's LAN on a bridge, so that it holds the host's address {address}"
        )
        yield wrong(network.subnet, remedy, *_SUBNET)


def bridge_fits_the_mode(s: HomeSettings) -> Iterator[Mistake]:
    """The host's bridge is named where it is used, and only there."""
    mode, bridge = s.network.mode, s.network.bridge
    if mode == "nat" and bridge is not None:
        remedy = "is not used behind NAT; remove it, or write mode: bridge"
        yield wrong(bridge, remedy, "network", "bridge")
    if mode == "bridge" and bridge is None:
        remedy = "needs the host's bridge; write ampere:network.bridge too, such as br0"
        yield wrong(mode, remedy, "network", "mode")


def gateway_is_inside(s: HomeSettings) -> Iterator[Mistake]:
    """The gateway is an address that the nodes can reach by themselves."""
    gateway, subnet = s.network.gateway, s.network.subnet
    first = subnet[min(1, subnet.num_addresses - 1)]
    if gateway not in subnet:
        remedy = f"is outside {path_of(_SUBNET)} {subnet}; did you mean {first}?"
        yield wrong(gateway, remedy, "network", "gateway")
    elif gateway in {subnet.network_address, subnet.broadcast_address}:
        remedy = f"is the network's first or last address; did you mean {first}?"
        yield wrong(gateway, remedy, "network", "gateway")


def subnet_has_room(s: HomeSettings) -> Iterator[Mistake]:
    """There is an address for each machine, the gateway, the network and the broadcast."""
    subnet = s.network.subnet
    needed = sum(1 for _ in listed(s)) + 3
    if subnet.num_addresses < needed:
        remedy = f"has {subnet.num_addresses} addresses, {needed} are needed; use a shorter prefix"
        yield wrong(subnet, remedy, *_SUBNET)


def pod_network_has_room(s: ClusterSettings) -> Iterator[Mistake]:
    """Each node gets its /24 of pods' addresses."""
    pods = s.cluster.pod_network
    nodes = max(1, sum(1 for _ in listed(s)))
    if not _NODE_PREFIX - _MOST_NODE_BITS <= pods.prefixlen <= _NODE_PREFIX:
        remedy = "must have a prefix length from 8 to 24, since each node takes a /24 of it"
        yield wrong(pods, remedy, *_PODS)
    elif (room := 2 ** (_NODE_PREFIX - pods.prefixlen)) < nodes:
        longest = _NODE_PREFIX - (nodes - 1).bit_length()
        remedy = f"has a /24 for {room} of {nodes} nodes; use a prefix length of at most {longest}"
        yield wrong(pods, remedy, *_PODS)


def service_network_has_room(s: ClusterSettings) -> Iterator[Mistake]:
    """The service network is one that the API server takes."""
    services = s.cluster.service_network
    if services.prefixlen not in _SERVICE_PREFIXES:
        remedy = "must have a prefix length from 12 to 24, which Kubernetes can serve"
        yield wrong(services, remedy, *_SERVICES)


def nameservers_answer(s: HomeSettings) -> Iterator[Mistake]:
    """Nodes can ask each nameserver before there is a cluster."""
    inside = [n for n in _networks(s) if n[0] != _SUBNET]
    for index, server in enumerate(s.network.nameservers):
        at = ("network", "nameservers", index)
        hiding = next((location for location, network in inside if server in network), None)
        if hiding is not None:
            yield wrong(server, f"is inside {path_of(hiding)}; use a server outside", *at)
        elif not is_unicast(server):
            yield wrong(server, "is no server's address; use one that nodes reach", *at)


def nameservers_differ(s: HomeSettings) -> Iterator[Mistake]:
    """A second nameserver is another one."""
    servers = enumerate(s.network.nameservers)
    yield from repeated((("network", "nameservers", i), server) for i, server in servers)


INSIDE = (networks_are_private, pod_network_has_room, service_network_has_room)
"""What is asked of the networks inside a cluster, wherever it is."""
CHECKS = (
    networks_are_private,
    networks_are_apart,
    host_is_outside,
    host_fits_the_mode,
    bridge_fits_the_mode,
    gateway_is_inside,
    subnet_has_room,
    pod_network_has_room,
    service_network_has_room,
    nameservers_answer,
    nameservers_differ,
)
