"""What several checks need: the machines with their places, and how a mistake is made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeVar

from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.mistakes import Location, Mistake, path_of, spelled

if TYPE_CHECKING:
    from ampere_infra.settings.home import HomeSettings, MachineSize

    ClusterSettings = HomeSettings | ApiSettings

V = TypeVar("V", bound=Hashable)

PRIVATE = tuple(
    IPv4Network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""The networks of RFC 1918 and RFC 6598."""


def wrong(value: object, remedy: str, *location: int | str) -> Mistake:
    """Return the mistake that ``value`` stands at ``location``."""
    return Mistake(path_of(location), spelled(value), remedy)


def listed(settings: ClusterSettings) -> Iterator[tuple[Location, MachineSize]]:
    """Yield each machine with its place, the master first, as far as they parsed."""
    if isinstance(settings, ApiSettings):
        return
    if hasattr(settings, "control_plane"):
        yield ("control_plane",), settings.control_plane
    if hasattr(settings, "workers"):
        for index, worker in enumerate(getattr(settings.workers, "machines", ())):
            yield ("workers", "machines", index), worker


def machine_values(
    settings: HomeSettings, name: str, value: Callable[[MachineSize], V]
) -> Iterator[tuple[Location, V]]:
    """Yield the field ``name`` of each machine that has it, as ``value`` gives it."""
    for at, machine in listed(settings):
        if hasattr(machine, name):
            yield (*at, name), value(machine)


def repeated(values: Iterable[tuple[Location, V]]) -> Iterator[Mistake]:
    """Yield a mistake for each value that an earlier place has already."""
    first: dict[Hashable, Location] = {}
    for location, value in values:
        if value in first:
            yield wrong(
                value, f"is used by {path_of(first[value])} already; choose another", *location
            )
        else:
            first[value] = location


def is_unicast(address: IPv4Address) -> bool:
    """Whether ``address`` is one that a single machine on a network can have."""
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def is_private(value: IPv4Address | IPv4Network) -> bool:
    """Whether ``value`` is of a private network, which nobody on the internet has."""
    network = IPv4Network(value)
    return any(network.subnet_of(private) for private in PRIVATE)
