"""Private networks and public addresses (terraform-provider-hcloud 1.66, ``internal/``)."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from pulumi_hcloud import NetworkArgs, NetworkSubnetArgs, PrimaryIpArgs

from ampere_infra.rehearsal.doubles.bridged import Rules, state
from ampere_infra.rehearsal.doubles.hcloud.common import Resource, asking, labels
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Kind, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, Value, text
from ampere_infra.rehearsal.places.hetzner import ApiError, Thing
from ampere_infra.rehearsal.places.hetzner_rules import (
    ZONES,
    check_labels,
    check_name,
    check_range,
    check_subnet,
    wrong,
)

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World


class NetworkKind(Resource):
    """``Network`` (``network/resource.go``): another range is another network."""

    arguments = NetworkArgs
    kind = "networks"
    rules = Rules(
        force_new=frozenset({"ipRange"}),
        defaults={"deleteProtection": False, "exposeRoutesToVswitch": False},
    )

    def make(self, inputs: Properties) -> Thing:
        """Make a network without subnets."""
        check_name(self.cloud, self.kind, text(inputs, "name"))
        check_labels(labels(inputs))
        thing = super().make(inputs)
        thing.fields |= {"ip_range": str(check_range(text(inputs, "ipRange"))), "subnets": []}
        return thing

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Write the protection, a request of its own after the network is made."""
        thing.protected = inputs.get("deleteProtection") is True

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return range and protection."""
        return {"ipRange": str(thing.fields["ip_range"]), "deleteProtection": thing.protected}


class SubnetKind(Resource):
    """``NetworkSubnet`` (``network/resource_subnet.go``): its id is its network's and its range."""

    arguments = NetworkSubnetArgs
    kind = "networks"
    rules = Rules(
        force_new=frozenset({"networkId", "type", "networkZone", "ipRange", "vswitchId"}),
        computed=frozenset({"gateway"}),
        updatable=False,
    )

    def create(self, call: Call) -> Made:
        """Add the subnet to its network."""
        self.cut_early(call)
        inputs = call.inputs
        with asking():
            network = self.cloud.must("networks", text(inputs, "networkId"))
            zone, kind = text(inputs, "networkZone"), text(inputs, "type")
            check_subnet(network, text(inputs, "ipRange"), zone, kind)
            subnet = {"ip_range": text(inputs, "ipRange"), "network_zone": zone, "type": kind}
            network.fields["subnets"].append(subnet)
        self.cut_late(call)
        return Made(f"{network.id}-{subnet['ip_range']}", self._state(inputs, network))

    def read(self, call: Call) -> Made | None:
        """Return the subnet, or nothing where it or its network is gone."""
        identity, _, ip_range = call.id.partition("-")
        network = self.cloud.get("networks", identity)
        there: list[dict[str, str]] = network.fields["subnets"] if network else []
        if network is None or all(one["ip_range"] != ip_range for one in there):
            return None
        return Made(call.id, self._state(call.old, network))

    def delete(self, call: Call) -> None:
        """Take the subnet from its network; with servers in it, only out of the state."""
        self.cut_early(call)
        identity, _, ip_range = call.id.partition("-")
        network = self.cloud.get("networks", identity)
        if network is not None and not self._is_used(network):
            subnets: list[dict[str, str]] = network.fields["subnets"]
            network.fields["subnets"] = [one for one in subnets if one["ip_range"] != ip_range]
        self.cut_late(call)

    def _is_used(self, network: Thing) -> bool:
        attached = (net for server in self.cloud.servers() for net in server.fields["networks"])
        return any(net["network"] == network.id for net in attached)

    def _state(self, inputs: Properties, network: Thing) -> Properties:
        """Return the state; the gateway is the network's first address."""
        return state(inputs, gateway=str(IPv4Network(network.fields["ip_range"])[1]))


class AddressKind(Resource):
    """``PrimaryIp`` (``primaryip/resource.go``)."""

    arguments = PrimaryIpArgs
    kind = "primary_ips"
    rules = Rules(
        force_new=frozenset({"type", "location"}),
        computed=frozenset({"assigneeId", "assigneeType", "ipAddress", "ipNetwork", "datacenter"}),
        defaults={"autoDelete": False, "deleteProtection": False},
    )

    def validate(self, call: Call) -> list[Failure]:
        """Refuse an address that is nowhere, or in two ways somewhere."""
        given = [key for key in ("location", "assigneeId") if call.inputs.get(key) is not None]
        if len(given) != 1:
            words = "Exactly one of these attributes must be configured: [location,assignee_id]"
            return [Failure(f"Invalid Attribute Combination. {words}")]
        return []

    def make(self, inputs: Properties) -> Thing:
        """Reserve an address."""
        check_name(self.cloud, self.kind, text(inputs, "name"))
        check_labels(labels(inputs))
        version, location = text(inputs, "type"), text(inputs, "location")
        if version not in ("ipv4", "ipv6"):
            raise wrong("type", "must be ipv4 or ipv6")
        if location not in ZONES:
            raise wrong("location", f"location '{location}' does not exist")
        thing = super().make(inputs)
        address = self.cloud.new_address(version)
        thing.fields |= {"type": version, "location": location, "ip": address}
        return thing

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Write the protection, and whether it goes with its server."""
        thing.protected = inputs.get("deleteProtection") is True
        thing.fields["auto_delete"] = inputs.get("autoDelete") is True

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return the address, and whose it is."""
        version, address = str(thing.fields["type"]), str(thing.fields["ip"])
        holder = next((s for s in self.cloud.servers() if s.fields.get(version) == thing.id), None)
        return {
            "type": version,
            "location": str(thing.fields["location"]),
            "autoDelete": bool(thing.fields["auto_delete"]),
            "deleteProtection": thing.protected,
            "ipAddress": address,
            "ipNetwork": f"{address}/64" if version == "ipv6" else None,
            "assigneeId": holder.id if holder else 0,
            "assigneeType": "server",
        }

    def delete(self, call: Call) -> None:
        """Give the address back; the provider takes it from its server first, which it stops."""
        thing = self.cloud.get(self.kind, call.id)
        if thing is not None and not thing.protected and not call.fails:
            for server in self.cloud.servers():
                if server.fields.get(thing.fields["type"]) == thing.id:
                    server.fields[thing.fields["type"]] = None
        try:
            super().delete(call)
        except ApiError as error:
            raise RefusalError(f"API request failed\n\n{error}") from error


def kinds(world: World) -> dict[str, Kind]:
    """Return this module's types."""
    return {
        "network:Network": NetworkKind(world),
        "networkSubnet:NetworkSubnet": SubnetKind(world),
        "primaryIp:PrimaryIp": AddressKind(world),
    }
