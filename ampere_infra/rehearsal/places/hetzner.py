"""A project at Hetzner: what its API knows, and which server answers where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ampere_infra.rehearsal.places.libvirt_things import export_seed, new_host_key
from ampere_infra.rehearsal.places.seeds import unpacked
from ampere_infra.rehearsal.places.stable import stable
from ampere_infra.rehearsal.reality import NewServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ampere_infra.rehearsal.places.seeds import Seed
    from ampere_infra.rehearsal.reality import Datacenter

ADDRESSES = tuple(f"198.51.100.{number}" for number in range(10, 99))
"""Of RFC 5737: addresses that nobody has."""
NETWORKS = tuple(f"2001:db8:{number}::" for number in range(10, 99))
"""Of RFC 3849, as well."""
KINDS = (
    "ssh_keys",
    "networks",
    "firewalls",
    "placement_groups",
    "primary_ips",
    "servers",
    "rrsets",
)
"""As the API's paths call them."""


class ApiError(Exception):
    """A refusal of the API (https://docs.hetzner.cloud/reference/cloud#errors)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


@dataclass
class Thing:
    """Anything that the API gave an id."""

    id: int
    kind: str
    name: str
    labels: dict[str, str] = field(default_factory=dict[str, str])
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    protected: bool = False
    """Against deletion; a server against being rebuilt as well, for both have to be the same."""


@dataclass
class Server(Thing):
    """A server: what SSH and the API server of a cluster find of it."""

    running: bool = True
    born_of: Seed | None = None
    """What cloud-init read at its first start."""
    host_key: str = field(default_factory=new_host_key)
    marks: dict[str, str] = field(default_factory=dict[str, str])
    """What it was given and what it became since."""

    @property
    def uuid(self) -> str:
        """What others know it by."""
        return f"server {self.id}"

    @property
    def owner(self) -> str:
        """What a cluster's data live on: the only disk."""
        return self.uuid


@dataclass
class HetznerCloud:
    """All that one project holds."""

    things: dict[int, Thing] = field(default_factory=dict[int, Thing])
    token: str = ""
    """What a provider was configured with; empty, and nobody asked for the project yet."""
    last_id: int = 1000
    withdrawn: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """Server types at a location that are ``sold out`` or ``retired``."""
    loses_answers: bool = False
    """Whether a failing operation has had its effect, or none: a line cut late or early."""
    datacenter: Datacenter | None = None
    """Where servers are real machines, if they are."""

    def of(self, kind: str) -> Iterator[Thing]:
        """Yield every thing of a kind such as ``servers``, the oldest first."""
        return (thing for thing in self.things.values() if thing.kind == kind)

    def get(self, kind: str, identity: object) -> Thing | None:
        """Return the thing of that kind with that id."""
        found = self.things.get(int(str(identity))) if str(identity).isdigit() else None
        return found if found is not None and found.kind == kind else None

    def must(self, kind: str, identity: object) -> Thing:
        """Return the thing, or refuse as the API does."""
        found = self.get(kind, identity)
        if found is None:
            what = kind.removesuffix("s").replace("_", " ")
            raise ApiError("not_found", f"{what} with ID '{identity}' not found")
        return found

    def named(self, kind: str, name: str) -> Thing | None:
        """Return the thing of that kind and name."""
        return next((thing for thing in self.of(kind) if thing.name == name), None)

    def next_id(self) -> int:
        """Give out an id; none is given twice."""
        self.last_id += 1
        return self.last_id

    def servers(self) -> Iterator[Server]:
        """Yield every server."""
        return (thing for thing in self.things.values() if isinstance(thing, Server))

    def new_address(self, version: str) -> str:
        """Give out the lowest public address that nobody has."""
        used = {thing.fields["ip"] for thing in self.of("primary_ips")}
        each = ADDRESSES if version == "ipv4" else NETWORKS
        return next(address for address in each if address not in used)

    def address_of(self, server: Server, version: str = "ipv4") -> str:
        """Return a server's public address, or nothing."""
        found = self.get("primary_ips", server.fields.get(version))
        return str(found.fields["ip"]) if found else ""

    def answering(self, address: str) -> Server | None:
        """Return the running server that has ``address``: public, of a tailnet, or a name there."""
        for server in self.servers():
            names = (self.address_of(server), *server.marks.get("TAILNET", "").split())
            if server.running and address and address in names:
                return server
        return None

    def lets_in(self, server: Server, port: int) -> bool:
        """Tell whether a firewall of the server, or that it has none, lets ``port`` through."""
        walls = [self.must("firewalls", one) for one in server.fields["firewalls"]]
        rules = [rule for wall in walls for rule in wall.fields["rules"]]
        return not walls or any(rule.get("port") == str(port) for rule in rules)

    def boot(self, server: Server, user_data: str, keys: Sequence[int]) -> None:
        """Start a new server for the first time; the images take the project's key for root."""
        server.born_of = unpacked(user_data, server.name)
        if self.datacenter is not None:
            addresses = self.address_of(server), self.address_of(server, "ipv6")
            public = tuple(self.must("ssh_keys", key).fields["public_key"] for key in keys)
            self.datacenter.boot(NewServer(server.id, server.name, *addresses, public, user_data))

    def delete(self, thing: Thing) -> tuple[str, ...]:
        """Take ``thing`` away, and return by what names others know it.

        Raises:
            ApiError: it is protected, or in use.
        """
        if thing.protected:
            what = thing.kind.removesuffix("s").replace("_", " ")
            raise ApiError("protected", f"{what} deletion is protected")
        users = [server.name for server in self.servers() if self._uses(server, thing)]
        if users:
            raise ApiError("resource_in_use", f"{thing.name} is still in use by {users[0]}")
        gone = (self.address_of(thing), thing.uuid) if isinstance(thing, Server) else ()
        if isinstance(thing, Server) and self.datacenter is not None:
            self.datacenter.remove(thing.id)
        del self.things[thing.id]
        return gone

    def _uses(self, server: Server, thing: Thing) -> bool:
        uses: dict[str, object] = server.fields
        if thing.kind == "networks":
            return any(net["network"] == thing.id for net in server.fields["networks"])
        if thing.kind == "firewalls":
            return thing.id in server.fields["firewalls"]
        return thing.kind == "primary_ips" and thing.id in (uses.get("ipv4"), uses.get("ipv6"))

    def forget(self, name: str) -> None:
        """Nothing at Hetzner stands on anything elsewhere."""

    def snapshot(self) -> dict[str, object]:
        """Return what exists, by name; ids become the names of what they lead to."""
        found: dict[str, dict[str, object]] = {kind: {} for kind in KINDS}
        for thing in self.things.values():
            told = {key: self._told(key, value) for key, value in thing.fields.items()}
            told |= {"labels": thing.labels, "protected": thing.protected}
            if isinstance(thing, Server):
                told |= {"running": thing.running, "marks": sorted(thing.marks)}
                told["born of"] = stable(thing.born_of.user_data) if thing.born_of else None
            found[thing.kind][thing.name] = told
        return {kind: dict(sorted(things.items())) for kind, things in found.items() if things}

    def _told(self, key: str, value: Any) -> object:  # noqa: ANN401 - whatever a field holds
        if isinstance(value, list):
            return [self._told(key, one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, dict):
            return {k: self._told(str(k), v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        if isinstance(value, int) and value in self.things:
            return self.things[value].name
        return stable(value) if isinstance(value, str) else value

    def export(self, folder: Path) -> None:
        """Write what each server was born with below ``folder``."""
        for server in self.servers():
            if server.born_of is not None:
                export_seed(folder / "nodes" / server.name, server.born_of)
