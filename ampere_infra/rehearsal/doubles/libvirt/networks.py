"""``libvirt:index/network:Network``."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from pulumi_libvirt import NetworkArgs

from ampere_infra.rehearsal.doubles.bridged import Rules, Sdk2, at, state
from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.values import Properties, Value, items, text
from ampere_infra.rehearsal.places.hypervisor import Network

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from ampere_infra.rehearsal.places.hypervisor import Hypervisor

_MODES = ("none", "nat", "route", "open", "bridge")
_FEWEST_HOST_BITS, _RESERVED = 3, 3


class NetworkKind(Sdk2):
    """A virtual network."""

    arguments = NetworkArgs
    rules = Rules(
        force_new=frozenset(
            {"name", "domain", "mode", "bridge", "addresses", "addresses[]", "dhcp", "routes"}
            | {"xml", "xml.xslt", "dns.forwarders", "dns.forwarders[].address"}
            | {"dns.forwarders[].domain", "dns.srvs"}
        ),
        computed=frozenset({"bridge", "autostart", "dns", "dns.localOnly", "dhcp", "dhcp.enabled"}),
        defaults={"mode": "nat"},
    )

    def wanted(self, inputs: Properties) -> Network:
        """Return the network that the inputs describe, without a bridge where none is named.

        Raises:
            RefusalError: The provider does not even ask libvirt.
        """
        mode, bridge = text(inputs, "mode").lower(), text(inputs, "bridge")
        if mode not in _MODES:
            raise RefusalError(f"unsupported network mode '{mode}'")
        if mode == "bridge" and not bridge:
            raise RefusalError("'bridge' must be provided when using the bridged network mode")
        subnets = () if mode == "bridge" else tuple(map(_subnet, items(inputs, "addresses")))
        return Network(
            text(inputs, "name"),
            mode,
            bridge,
            subnets,
            dhcp=at(inputs, "dhcp.enabled") is not False,
            autostart=bool(inputs.get("autostart")),
        )

    def told(self, inputs: Properties, network: Network) -> Properties:
        """Return the state of a network."""
        found: dict[str, Value] = {
            "name": network.name,
            "bridge": network.bridge,
            "mode": network.mode,
            "autostart": network.autostart,
        }
        if network.subnets:
            found["addresses"] = [str(subnet) for subnet in network.subnets]
        if network.subnets and (network.dhcp or network.guests):
            found["dhcp"] = {"enabled": True}
        return state(inputs, **found)


class ModelledNetwork(NetworkKind):
    """A network of the model."""

    worst = frozenset({"create", "update"})

    def __init__(self, host: Hypervisor) -> None:
        self.host = host

    def create(self, call: Call) -> Made:
        """Define and start a network; when the connection breaks between, it stays behind."""
        network = self.wanted(call.inputs)
        network.bridge = network.bridge or self._free_bridge()
        known = self.host.networks.get(network.name)
        if known is not None:
            raise RefusalError(
                f"error defining libvirt network: operation failed: network '{network.name}' "
                f"already exists with uuid {known.uuid} - <network>…</network>"
            )
        for other in self.host.networks.values():
            if network.mode != "bridge" and other.bridge == network.bridge:
                raise RefusalError(
                    "error defining libvirt network: internal error: "
                    f"bridge name '{network.bridge}' already in use. - <network>…</network>"
                )
            if other.active and _overlap(network, other):
                raise RefusalError(
                    "error creating libvirt network: internal error: "
                    f"Network is already in use by interface {other.bridge}"
                )
        self.host.networks[network.name] = network
        if call.fails:
            raise RefusalError("error creating libvirt network: client socket is closed")
        return Made(network.uuid, self.told(call.inputs, network))

    def read(self, call: Call) -> Made | None:
        """Return the network that has this id."""
        network = self.host.network_of(call.id)
        return Made(call.id, self.told(call.old, network)) if network else None

    def change(self, call: Call) -> Made:
        """Change what libvirt can change on a live network."""
        network = self.host.network_of(call.id)
        if network is None:
            raise refusals.network_gone(call.urn)
        network.active = True
        made = Made(call.id, {**call.old, **self.told(call.inputs, network)})
        if call.fails:
            raise IncompleteError(made, ["client socket is closed"])
        network.autostart = bool(call.inputs.get("autostart", network.autostart))
        return Made(call.id, {**call.old, **self.told(call.inputs, network)})

    def delete(self, call: Call) -> None:
        """Stop and forget the network, used or not; its absence is an error."""
        network = self.host.network_of(call.id)
        if network is None:
            raise refusals.no_network(call.id)
        del self.host.networks[network.name]

    def _free_bridge(self) -> str:
        used = {network.bridge for network in self.host.networks.values()}
        return next(f"virbr{n}" for n in range(1, len(used) + 2) if f"virbr{n}" not in used)


def _subnet(address: Value) -> IPv4Network | IPv6Network:
    try:
        subnet = ip_network(str(address), strict=False)
    except ValueError as error:
        raise RefusalError(
            "could not set DHCP from adresses "
            f"'error parsing addresses definition '{address}': invalid CIDR address: {address}'"
        ) from error
    if subnet.max_prefixlen - subnet.prefixlen < _FEWEST_HOST_BITS:
        available = subnet.num_addresses - _RESERVED
        raise RefusalError(
            "could not set DHCP from adresses 'netmask seems to be too strict: "
            f"only {available} IPs available (ipv{subnet.version})'"
        )
    return subnet


def _overlap(one: Network, other: Network) -> bool:
    return any(a.version == b.version and a.overlaps(b) for a in one.subnets for b in other.subnets)
