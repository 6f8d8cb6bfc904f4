"""The nodes' network: NAT or bridge as set, and addresses that nobody else has."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Finding, bad, here, ok, on_host, unknown
from ampere_infra.doctor.judges.libvirt import VIRSH
from ampere_infra.doctor.judges.shared import is_ready, ready
from ampere_infra.machines.libvirt.site import bridge_name
from ampere_infra.settings.mac import mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings, MachineSize

_SUBNET = here("in Pulumi.home.yaml set another ampere:network.subnet, and addresses in it")


def network(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """What the nodes are to be on is there, or nothing is in its way."""
    if s.network.mode == "bridge":
        yield ready(facts, "bridge")
        return
    if is_ready(facts, "libvirt"):
        yield _networks(s, facts)
    else:
        yield unknown("libvirt's networks", "libvirt was not reached")
    yield _routes(s, facts)
    yield _forwarding(s, facts)


def _networks(s: HomeSettings, facts: Facts) -> Finding:
    name, ours, check = s.cluster.name, bridge_name(s.cluster.name), "libvirt's networks"
    networks = {v[0]: v[1:] for v in facts.all("network") if len(v) > 2}  # noqa: PLR2004 - name, bridge, addresses
    if name in networks and networks[name][0] != ours:
        found = f"there is a network {name} already that is not of this cluster"
        gone = f"if nobody needs it: {VIRSH} net-destroy {name}; {VIRSH} net-undefine {name}"
        other = here("or in Pulumi.home.yaml give the cluster another name (ampere:cluster.name)")
        return bad(check, found, on_host(gone), other)
    for theirs, (bridge, addresses, *_) in networks.items():
        clash = next((n for n in _subnets(addresses) if n.overlaps(s.network.subnet)), None)
        if theirs != name and clash:
            found = f"the network {theirs} ({bridge}) has {clash}, which {s.network.subnet} meets"
            gone = (
                f"if nobody needs it: {VIRSH} net-destroy {theirs}; {VIRSH} net-undefine {theirs}"
            )
            return bad(check, found, on_host(gone), _SUBNET)
    state = "is there" if name in networks else "is still to be made"
    return ok(check, f"{name} {state}; none meets {s.network.subnet}")


def _subnets(addresses: str) -> Iterator[IPv4Network]:
    """Yield the networks of libvirt's ``<ip>`` elements."""
    for element in re.findall(r"<ip [^>]*>", addresses):
        told = dict(re.findall(r"(\w+)='([^']*)'", element))
        mask = told.get("prefix") or told.get("netmask") or "32"
        if told.get("family", "ipv4") == "ipv4":
            try:
                yield IPv4Interface(f"{told.get('address')}/{mask}").network
            except ValueError:
                continue


def _routes(s: HomeSettings, facts: Facts) -> Finding:
    own = f" dev {bridge_name(s.cluster.name)} "
    routes = [values[0] for values in facts.all("route") if values]
    if facts.value("routes") != "yes":
        return unknown("routes", "not told", on_host("ip -4 route"))
    for route in routes:
        target = _network(route.partition(" ")[0]) if own not in f"{route} " else None
        if target and target.prefixlen and target.overlaps(s.network.subnet):
            found = f"the host has a route into {s.network.subnet} already: {route}"
            return bad("routes", found, on_host(f"ip -4 route get {s.network.gateway}"), _SUBNET)
    return ok("routes", f"none leads into {s.network.subnet}")


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None


def _forwarding(s: HomeSettings, facts: Facts) -> Finding:
    told, check = facts.value("forward"), "forwarding"
    if told == "1":
        return ok(check, "on")
    if told != "0":
        return unknown(check, "not told", on_host("sysctl net.ipv4.ip_forward"))
    if facts.named("active", s.cluster.name) is None:
        return ok(check, "off; libvirt turns it on with the network")
    found = "off while the network runs: the nodes have no internet"
    return bad(check, found, on_host("sudo sysctl -w net.ipv4.ip_forward=1"))


def addresses(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The host has its own address, and nobody has the nodes'."""
    held = {
        str(IPv4Interface(values[1]).ip): values[0]
        for values in facts.all("address")
        if len(values) > 1 and _network(values[1])
    }
    yield _own(s, held)
    for node in (s.control_plane, *s.workers.machines):
        yield _free(s, node, facts, held.get(str(node.address)))
    if s.network.mode == "nat" and (device := held.get(str(s.network.gateway))):
        ours = bridge_name(s.cluster.name)
        if device != ours:
            found = f"the gateway {s.network.gateway} is the address of {device} on the host"
            yield bad("gateway", found, on_host(f"ip -4 address show {device}"), _SUBNET)


def _own(s: HomeSettings, held: dict[str, str]) -> Finding:
    address = str(s.host.address)
    if not held:
        return unknown("the host's", "not told", on_host("ip -4 address"))
    if address in held:
        return ok("the host's", f"{address} on {held[address]}")
    others = ", ".join(a for a in held if not IPv4Address(a).is_loopback) or "none"
    right = here("in Pulumi.home.yaml set ampere:host.address to the host's on the LAN")
    found = f"the host does not have {address}; it has {others}"
    return bad("the host's", found, on_host("ip -4 address"), right)


def _free(s: HomeSettings, node: MachineSize, facts: Facts, device: str | None) -> Finding:
    address = str(node.address)
    other = here(f"in Pulumi.home.yaml give {node.name} another address")
    if device:
        return bad(node.name, f"{address} is the host's own, on {device}", other)
    answered, entry, *_ = (*(facts.named("neighbour", address) or ()), "", "")
    hardware = re.search(r"lladdr ([0-9a-f:]{17})", entry)
    if hardware and hardware[1] == mac(s.cluster.name, node.name):
        return ok(node.name, f"{address} is this machine's")
    if answered == "yes" or (hardware and "REACHABLE" in entry):
        who = f" ({hardware[1]})" if hardware else ""
        seen = on_host(f"ip -4 neigh show to {address}; ip -4 route get {address}")
        return bad(node.name, f"{address} is answered by somebody else{who}", seen, other)
    if answered == "no" or entry.endswith(("FAILED", "INCOMPLETE")):
        return ok(node.name, f"{address} is free")
    return unknown(
        node.name, f"{address}: nothing to ask with", on_host("sudo apt install iputils-ping")
    )
