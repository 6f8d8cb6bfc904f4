"""``Server`` (terraform-provider-hcloud 1.66, ``internal/server/resource.go``)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from pulumi_hcloud import ServerArgs

from ampere_infra.rehearsal.doubles.bridged import Rules
from ampere_infra.rehearsal.doubles.hcloud.common import Resource, asking, integers, labels
from ampere_infra.rehearsal.doubles.kind import (
    Call,
    Failure,
    IncompleteError,
    Kind,
    Made,
    RefusalError,
)
from ampere_infra.rehearsal.doubles.values import Properties, Unknown, Value, items, number, text
from ampere_infra.rehearsal.places.hetzner import Server, Thing
from ampere_infra.rehearsal.places.hetzner_rules import (
    DISKS,
    IMAGES,
    check_move,
    check_protection,
    check_server,
    check_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.doubles.diffs import Difference
    from ampere_infra.rehearsal.world import World

_WINDOW = "22-02"


class ServerKind(Resource):
    """A server: another image, location, key or user-data is another one."""

    arguments = ServerArgs
    kind = "servers"
    gone_is_fine = False
    rules = Rules(
        force_new=frozenset({"image", "location", "userData", "sshKeys", "sshKeys[]"}),
        computed=frozenset(
            {"image", "location", "datacenter", "firewallIds", "backupWindow", "ipv4Address"}
            | {"ipv6Address", "ipv6Network", "status", "primaryDiskSize"}
            | {"publicNets[].ipv4", "publicNets[].ipv6"}
            | {f"networks[].{key}" for key in ("networkId", "subnetId", "ip", "macAddress")}
            | {"networks[].aliasIps"}
        ),
        defaults={
            "keepDisk": False,
            "backups": False,
            "ignoreRemoteFirewallIds": False,
            "deleteProtection": False,
            "rebuildProtection": False,
            "shutdownBeforeDeletion": False,
        },
    )

    def validate(self, call: Call) -> list[Failure]:
        """Refuse what was removed from Hetzner's API."""
        if call.inputs.get("datacenter") is not None:
            return [Failure("Removed Attribute. Use location", "datacenter")]
        return []

    def diff(self, call: Call) -> Difference:
        """Compare user-data by its hash, and firewalls only where others do not attach some."""
        inputs = dict(call.inputs)
        if isinstance(inputs.get("userData"), str):
            inputs["userData"] = _hash(text(inputs, "userData"))
        both = inputs.get("firewallIds") and call.old.get("firewallIds")
        if inputs.get("ignoreRemoteFirewallIds") is True and both:
            inputs["firewallIds"] = call.old["firewallIds"]
        compared = Call(
            call.urn, call.id, inputs, call.wrapped, call.old, call.old_inputs, call.ignored
        )
        return super().diff(compared)

    def make(self, inputs: Properties) -> Server:
        """Order a server, boot it, and set what the provider sets one after the other."""
        image = text(inputs, "image")
        if image not in IMAGES:
            raise RefusalError(f"image {image} for architecture x86 not found")
        wanted = _wanted(inputs)
        check_server(self.cloud, wanted)
        _protections(inputs)
        server = Server(self.cloud.next_id(), self.kind, wanted["name"], wanted["labels"])
        kept = ("server_type", "location", "ipv4", "ipv6", "firewalls", "networks")
        server.fields = {key: wanted[key] for key in (*kept, "placement_group")}
        server.fields |= {"image": image, "backups": inputs.get("backups") is True}
        server.fields["disk"] = DISKS[wanted["server_type"]]
        server.protected = inputs.get("deleteProtection") is True
        self.cloud.boot(server, wanted["user_data"], wanted["ssh_keys"])
        return server

    def create(self, call: Call) -> Made:
        """Make the server; where an action after the order fails, it is there and recorded."""
        if call.fails and not self.cloud.loses_answers:
            with asking():
                thing = self.make(call.inputs)
            self.cloud.things[thing.id] = thing
            made = Made(str(thing.id), self.told(call.inputs, thing))
            raise IncompleteError(made, ["action attach_to_network failed (action_failed)"])
        return super().create(call)

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Change the server in place."""
        wanted = _wanted(inputs)
        if isinstance(thing, Server) and wanted["server_type"] != thing.fields["server_type"]:
            self._resize(thing, wanted["server_type"], inputs)
        if wanted["placement_group"] != thing.fields["placement_group"]:
            raise RefusalError(
                "removing a running server from a placement group is currently not supported"
            )
        _protections(inputs)
        keys = ("networks", "ipv4", "ipv6")
        thing.fields |= {key: wanted[key] for key in keys}
        thing.fields["backups"] = inputs.get("backups") is True
        thing.protected = inputs.get("deleteProtection") is True

    def _resize(self, server: Server, name: str, inputs: Properties) -> None:
        """Stop the server and change its type, which starts it again; refused, it stays off."""
        server.running = False
        check_type(self.cloud, name, server.fields["location"])
        check_move(server, name)
        server.fields["server_type"] = name
        if inputs.get("keepDisk") is not True:
            server.fields["disk"] = DISKS[name]
        server.running = True

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return the server as the API tells of it: no user-data, no keys."""
        fields: Mapping[str, Any] = thing.fields
        ips = [self.cloud.get("primary_ips", fields[v]) for v in ("ipv4", "ipv6")]
        four, six = (str(ip.fields["ip"]) if ip else "" for ip in ips)
        networks: list[Value] = [
            {
                "networkId": net["network"],
                "ip": net["ip"],
                "aliasIps": [],
                "macAddress": f"86:00:00:00:{thing.id // 256:02x}:{thing.id % 256:02x}",
            }
            for net in fields["networks"]
        ]
        running = isinstance(thing, Server) and thing.running
        return {
            "image": fields["image"],
            "location": fields["location"],
            "serverType": fields["server_type"],
            "backups": fields["backups"],
            "backupWindow": _WINDOW if fields["backups"] else "",
            "deleteProtection": thing.protected,
            "rebuildProtection": thing.protected,
            "firewallIds": [*fields["firewalls"]],
            "networks": networks,
            "placementGroupId": fields["placement_group"],
            "ipv4Address": four,
            "ipv6Address": f"{six}1" if six else "",
            "ipv6Network": f"{six}/64" if six else "",
            "status": "running" if running else "off",
            "primaryDiskSize": fields["disk"],
        }

    def told(self, inputs: Properties, thing: Thing) -> Properties:
        """Return the state, in which user-data is its hash."""
        told = super().told(inputs, thing)
        user_data = told.get("userData")
        if isinstance(user_data, str) and len(user_data) != len(_hash("")):
            told["userData"] = _hash(user_data)
        return told


def _hash(user_data: str) -> str:
    """Return what the state holds of user-data (``userDataHashSum``)."""
    return b64encode(hashlib.sha1(user_data.encode(), usedforsecurity=False).digest()).decode()


def _wanted(inputs: Properties) -> dict[str, Any]:
    """Return what the API is asked for."""
    nets = [one for one in items(inputs, "publicNets") if isinstance(one, dict)]
    public: Properties = nets[0] if nets else {}
    networks = [one for one in items(inputs, "networks") if isinstance(one, dict)]
    group = inputs.get("placementGroupId")
    return {
        "name": text(inputs, "name"),
        "labels": labels(inputs),
        "server_type": text(inputs, "serverType"),
        "location": text(inputs, "location"),
        "user_data": text(inputs, "userData"),
        "ipv4": number(public, "ipv4"),
        "ipv6": number(public, "ipv6"),
        "firewalls": integers(items(inputs, "firewallIds")),
        "ssh_keys": integers(items(inputs, "sshKeys")),
        "placement_group": None
        if isinstance(group, Unknown)
        else number(inputs, "placementGroupId"),
        "networks": [
            {"network": number(one, "networkId"), "ip": text(one, "ip")} for one in networks
        ],
    }


def _protections(inputs: Properties) -> None:
    check_protection(
        delete=inputs.get("deleteProtection") is True,
        rebuild=inputs.get("rebuildProtection") is True,
    )


def kinds(world: World) -> dict[str, Kind]:
    """Return this module's types."""
    return {
        "server:Server": ServerKind(world),
    }
