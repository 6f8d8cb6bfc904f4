"""Keys, firewalls, placement groups and records (terraform-provider-hcloud 1.66, ``internal/``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulumi_hcloud import (
    FirewallArgs,
    FirewallAttachmentArgs,
    PlacementGroupArgs,
    SshKeyArgs,
    ZoneRrsetArgs,
)

from ampere_infra.rehearsal.doubles.bridged import Rules, state
from ampere_infra.rehearsal.doubles.hcloud.common import Resource, asking, integers, labels
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Kind, Made
from ampere_infra.rehearsal.doubles.values import Properties, Unknown, Value, items, number, text
from ampere_infra.rehearsal.places.hetzner import ApiError, Thing
from ampere_infra.rehearsal.places.hetzner_rules import (
    check_key,
    check_labels,
    check_name,
    check_record,
    check_rules,
    check_walls,
)

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World


class KeyKind(Resource):
    """``SshKey`` (``sshkey/resource.go``): another key is another resource."""

    arguments = SshKeyArgs
    kind = "ssh_keys"
    rules = Rules(force_new=frozenset({"publicKey"}), computed=frozenset({"fingerprint"}))

    def make(self, inputs: Properties) -> Thing:
        """Add a key."""
        check_name(self.cloud, self.kind, text(inputs, "name"))
        check_labels(labels(inputs))
        check_key(self.cloud, text(inputs, "publicKey"))
        thing = super().make(inputs)
        thing.fields["public_key"] = text(inputs, "publicKey")
        return thing

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return the key and its fingerprint."""
        key = str(thing.fields["public_key"])
        return {"publicKey": key, "fingerprint": f"{len(key):02x}:{thing.id:04x}"}


class FirewallKind(Resource):
    """``Firewall`` (``firewall/resource.go``): its rules change in place."""

    arguments = FirewallArgs
    kind = "firewalls"
    rules = Rules(computed=frozenset({"labels", "applyTos"}))

    def validate(self, call: Call) -> list[Failure]:
        """Refuse directions and protocols that are none."""
        known = {
            "direction": ("in", "out"),
            "protocol": ("icmp", "tcp", "udp", "esp", "gre"),
        }
        return [
            Failure(f"{rule[key]} is not a valid {key}. Examine values at '{call.name}.rules'.")
            for rule in items(call.inputs, "rules")
            if isinstance(rule, dict)
            for key, values in known.items()
            if rule.get(key) not in values and not isinstance(rule.get(key), Unknown)
        ]

    def make(self, inputs: Properties) -> Thing:
        """Make a firewall that is applied to nothing."""
        check_name(self.cloud, self.kind, text(inputs, "name"))
        check_labels(labels(inputs))
        return super().make(inputs)

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Write the rules; none at all leaves those that are there."""
        rules = [_rule(rule) for rule in items(inputs, "rules") if isinstance(rule, dict)]
        check_rules(rules)
        if rules or "rules" not in thing.fields:
            thing.fields["rules"] = rules

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return the rules, and whom they are applied to."""
        rules: list[Value] = [_told_rule(rule) for rule in thing.fields["rules"]]
        servers = [s.id for s in self.cloud.servers() if thing.id in s.fields["firewalls"]]
        return {"rules": rules, "applyTos": [{"server": identity} for identity in servers]}

    def delete(self, call: Call) -> None:
        """Take the firewall from all servers first, as the provider does."""
        for server in self.cloud.servers() if not call.fails else ():
            applied: list[int] = server.fields["firewalls"]
            server.fields["firewalls"] = [one for one in applied if str(one) != call.id]
        super().delete(call)


def _rule(rule: Properties) -> dict[str, Any]:
    wanted = {
        "direction": text(rule, "direction"),
        "protocol": text(rule, "protocol"),
        "port": text(rule, "port") or None,
        "source_ips": [str(one) for one in items(rule, "sourceIps")],
        "destination_ips": [str(one) for one in items(rule, "destinationIps")],
        "description": text(rule, "description") or None,
    }
    return {key: value for key, value in wanted.items() if value}


def _told_rule(rule: dict[str, Any]) -> Value:
    names = {"source_ips": "sourceIps", "destination_ips": "destinationIps"}
    return {names.get(key, key): value for key, value in rule.items()}


class AttachmentKind(Resource):
    """``FirewallAttachment`` (``firewall/attachment_resource.go``): no thing of its own."""

    arguments = FirewallAttachmentArgs
    kind = "firewalls"
    rules = Rules(force_new=frozenset({"firewallId"}))

    def create(self, call: Call) -> Made:
        """Apply the firewall; applying it again is no error to the provider."""
        self.cut_early(call)
        self._apply(call.inputs)
        self.cut_late(call)
        return Made(text(call.inputs, "firewallId"), state(call.inputs))

    def change(self, call: Call) -> Made:
        """Apply the firewall to those that are wanted now."""
        self.cut_early(call)
        self._apply(call.inputs)
        return Made(call.id, state(call.inputs))

    def _apply(self, inputs: Properties) -> None:
        with asking():
            firewall = self.cloud.must("firewalls", text(inputs, "firewallId"))
            for identity in integers(items(inputs, "serverIds")):
                server = self.cloud.must("servers", identity)
                if firewall.id not in server.fields["firewalls"]:
                    check_walls([*server.fields["firewalls"], firewall.id])
                    server.fields["firewalls"].append(firewall.id)

    def read(self, call: Call) -> Made | None:
        """Return those that the firewall is applied to, among those that it was."""
        firewall = self.cloud.get("firewalls", call.id)
        if firewall is None:
            return None
        wanted = integers(items(call.old, "serverIds"))
        there: list[Value] = [
            server.id
            for server in self.cloud.servers()
            if server.id in wanted and firewall.id in server.fields["firewalls"]
        ]
        return Made(call.id, {**call.old, "serverIds": there}) if there else None

    def delete(self, call: Call) -> None:
        """Take the firewall from its servers."""
        self.cut_early(call)
        for identity in integers(items(call.old, "serverIds")):
            server = self.cloud.get("servers", identity)
            if server is not None:
                applied: list[int] = server.fields["firewalls"]
                server.fields["firewalls"] = [one for one in applied if str(one) != call.id]
        self.cut_late(call)


class GroupKind(Resource):
    """``PlacementGroup`` (``placementgroup/resource.go``)."""

    arguments = PlacementGroupArgs
    kind = "placement_groups"
    rules = Rules()
    gone_is_fine = False

    def validate(self, call: Call) -> list[Failure]:
        """Refuse a type that there is not."""
        kind = call.inputs.get("type")
        known = isinstance(kind, Unknown) or kind == "spread"
        return [] if known else [Failure(f"{kind} is not a valid placement group type")]

    def make(self, inputs: Properties) -> Thing:
        """Make a group."""
        check_name(self.cloud, self.kind, text(inputs, "name"))
        check_labels(labels(inputs))
        thing = super().make(inputs)
        thing.fields["type"] = text(inputs, "type")
        return thing

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return who is in the group."""
        inside: list[Value] = [
            server.id
            for server in self.cloud.servers()
            if server.fields["placement_group"] == thing.id
        ]
        return {"type": str(thing.fields["type"]), "servers": inside}

    @property
    def outputs(self) -> frozenset[str]:
        """Who is in the group."""
        return frozenset({"servers", "servers[]"})


class RecordKind(Resource):
    """``ZoneRrset`` (``zonerrset/resource.go``). The zone is the user's, and taken as there."""

    arguments = ZoneRrsetArgs
    kind = "rrsets"
    rules = Rules(
        force_new=frozenset({"zone", "name", "type"}), computed=frozenset({"changeProtection"})
    )

    def make(self, inputs: Properties) -> Thing:
        """Make a record set; its id is its name and type."""
        wanted = {key: text(inputs, key) for key in ("zone", "name", "type")}
        check_record(wanted | {"records": _values(inputs)}, list(self.cloud.of(self.kind)))
        check_labels(labels(inputs))
        thing = super().make(inputs)
        thing.name = "/".join(wanted.values())
        thing.fields |= wanted
        return thing

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Write the values and how long they may be remembered."""
        if not _values(inputs):
            raise ApiError("invalid_input", "records must not be empty")
        thing.fields |= {"records": _values(inputs), "ttl": number(inputs, "ttl")}

    def rename(self, thing: Thing, inputs: Properties) -> None:
        """Write the labels: another name is another record."""
        check_labels(labels(inputs))
        thing.labels = labels(inputs)

    def told(self, inputs: Properties, thing: Thing) -> Properties:
        """Return the state."""
        own: dict[str, Value] = {key: thing.fields[key] for key in ("zone", "name", "type", "ttl")}
        records: list[Value] = [{"value": value} for value in thing.fields["records"]]
        return state(
            inputs, **own, labels={**thing.labels}, records=records, changeProtection=False
        )


def _values(inputs: Properties) -> list[str]:
    return [text(one, "value") for one in items(inputs, "records") if isinstance(one, dict)]


def kinds(world: World) -> dict[str, Kind]:
    """Return this module's types."""
    return {
        "sshKey:SshKey": KeyKind(world),
        "firewall:Firewall": FirewallKind(world),
        "firewallAttachment:FirewallAttachment": AttachmentKind(world),
        "placementGroup:PlacementGroup": GroupKind(world),
        "zoneRrset:ZoneRrset": RecordKind(world),
    }
