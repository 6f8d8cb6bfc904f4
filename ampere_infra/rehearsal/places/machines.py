"""Machines, whoever has them: what SSH and a cluster find of one, at home or in a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ampere_infra.rehearsal.places.hetzner import HetznerCloud, Server
from ampere_infra.rehearsal.places.hypervisor import Domain, Hypervisor

if TYPE_CHECKING:
    from ampere_infra.rehearsal.places.seeds import Seed
    from ampere_infra.rehearsal.world import World


class Booted(Protocol):
    """A machine."""

    name: str
    running: bool
    born_of: Seed | None
    host_key: str
    marks: dict[str, str]

    @property
    def owner(self) -> str:
        """What the data on it live on, by the name that it is forgotten by."""
        ...


class Machines:
    """Every machine of the world."""

    def __init__(self, world: World) -> None:
        self.host = world.part(Hypervisor)
        self.cloud = world.part(HetznerCloud)
        self.modelled = world.reality is None

    @property
    def any(self) -> bool:
        """Whether machines that others could ask for are part of the model."""
        return self.modelled and (self.host.dialled or bool(self.cloud.token))

    def answering(self, address: str) -> Booted | None:
        """Return the running machine that has ``address``."""
        return self.host.answering(address) or self.cloud.answering(address)

    def named(self, name: str) -> Booted | None:
        """Return the machine of that name."""
        server = self.cloud.named("servers", name)
        return self.host.domains.get(name) or (server if isinstance(server, Server) else None)

    def everyone(self) -> list[Booted]:
        """Return all machines."""
        return [*self.host.domains.values(), *self.cloud.servers()]

    def addresses(self, machine: Booted) -> tuple[str, ...]:
        """Return where ``machine`` answers."""
        if isinstance(machine, Server):
            tailnet = machine.marks.get("TAILNET", "").split()
            return (self.cloud.address_of(machine), *tailnet)
        return machine.born_of.addresses if machine.born_of else ()

    def refusal(self, machine: Booted, address: str, port: int, *, proxied: bool) -> str:
        """Return why ``port`` of ``machine`` cannot be reached from outside, or nothing."""
        if isinstance(machine, Domain) and self.host.is_hidden(machine) and not proxied:
            return "i/o timeout"
        if isinstance(machine, Server) and address == self.cloud.address_of(machine):
            return "" if self.cloud.lets_in(machine, port) else "i/o timeout"
        return ""
