"""Checks of the machines: addresses, names and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import machine_values, repeated, wrong
from ampere_infra.settings.mac import mac
from ampere_infra.settings.types import GIB, MIB, TIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.home import HomeSettings, MachineSize
    from ampere_infra.settings.mistakes import Location, Mistake

MASTER: Location = ("control_plane",)

_MASTER_MEMORY, _WORKER_MEMORY = Size(2 * GIB), Size(GIB)
"""kubeadm's preflight asks for 1700MB on a control plane; a worker runs Cilium and pods."""
_MASTER_CPUS = 2
"""kubeadm's preflight refuses a control plane with fewer."""
_MOST_MEMORY, _LARGEST_DISK = Size(512 * GIB), Size(16 * TIB)
_ROOT_DISK, _DATA_DISK = Size(10 * GIB), Size(GIB)
"""The cloud image is 3.5GiB; packages and container images come on top."""


def names_differ(s: HomeSettings) -> Iterator[Mistake]:
    """No two machines have one name."""
    yield from repeated(machine_values(s, "name", lambda m: m.name))


def addresses_differ(s: HomeSettings) -> Iterator[Mistake]:
    """No two machines have one address."""
    yield from repeated(machine_values(s, "address", lambda m: m.address))


def macs_differ(s: HomeSettings) -> Iterator[Mistake]:
    """No two names lead to one MAC address."""
    names = dict[str, str]()
    for location, name in machine_values(s, "name", lambda m: m.name):
        first = names.setdefault(mac(s.cluster.name, name), name)
        if first != name:
            remedy = f"leads to the same MAC address as {first}; choose another name"
            yield wrong(name, remedy, *location)


def is_inside(s: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The address is one of the nodes' network that nobody else can have."""
    address, subnet = machine.address, s.network.subnet
    if address not in subnet:
        yield wrong(
            address,
            f"is outside ampere:network.subnet {subnet}; choose a free one inside",
            *at,
            "address",
        )
    elif address in {subnet.network_address, subnet.broadcast_address}:
        remedy = f"is the first or last address of {subnet}, which no machine can have"
        yield wrong(address, remedy, *at, "address")


def is_nobody_elses(s: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The address is not the host's, the gateway's or a nameserver's."""
    others = {
        getattr(getattr(s, section, None), key, None): f"ampere:{section}.{key}"
        for section, key in (("network", "gateway"), ("host", "address"))
    }
    for server in getattr(getattr(s, "network", None), "nameservers", ()):
        others.setdefault(server, "ampere:network.nameservers")
    if machine.address in others:
        remedy = f"is {others[machine.address]} already; choose a free address"
        yield wrong(machine.address, remedy, *at, "address")


def is_not_the_host(s: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The name is not the host's, which the API's certificate names too."""
    if machine.name in {s.host.name, "localhost"}:
        yield wrong(machine.name, "is the host's name; choose another", *at, "name")


def has_processors(_: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The control plane has the processors that kubeadm asks for."""
    if at == MASTER and machine.vcpu < _MASTER_CPUS:
        remedy = f"is too few for a control plane; kubeadm asks for {_MASTER_CPUS}"
        yield wrong(machine.vcpu, remedy, *at, "vcpu")


def has_memory(_: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """Memory is enough, and no typing error."""
    least = _MASTER_MEMORY if at == MASTER else _WORKER_MEMORY
    yield from _sized(machine.memory, least, _MOST_MEMORY, (*at, "memory"))


def has_a_root_disk(_: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The root disk holds the image and what comes on top."""
    yield from _sized(machine.root_disk, _ROOT_DISK, _LARGEST_DISK, (*at, "root_disk"))


def has_a_data_disk(_: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """The data disk is worth having."""
    yield from _sized(machine.data_disk, _DATA_DISK, _LARGEST_DISK, (*at, "data_disk"))


def is_not_swapped(_: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """Memory and disks are not written in each other's place."""
    disks = Size(machine.root_disk + machine.data_disk)
    if _WORKER_MEMORY <= machine.memory <= _MOST_MEMORY and machine.memory > disks:
        remedy = f"is more than both disks together, {disks}; are they swapped?"
        yield wrong(machine.memory, remedy, *at, "memory")


def holds_the_volumes(s: HomeSettings, at: Location, machine: MachineSize) -> Iterator[Mistake]:
    """A worker's data disk has room for the services' volumes, which may all come to it."""
    postgresql, minio = s.services.postgresql.storage, s.services.minio.storage
    if at != MASTER and _DATA_DISK <= machine.data_disk < postgresql + minio:
        remedy = (
            f"is too small for a volume of PostgreSQL ({postgresql}) and MinIO's ({minio}), "
            f"which may both come to this worker; use at least {Size(postgresql + minio)}"
        )
        yield wrong(machine.data_disk, remedy, *at, "data_disk")


def _sized(size: Size, least: Size, most: Size, at: Location) -> Iterator[Mistake]:
    if size % MIB:
        yield wrong(size, "is not a whole number of MiB", *at)
    elif size < least:
        yield wrong(size, f"is too small; use at least {least}", *at)
    elif size > most:
        meant = Size(size // 1024)
        plausible = f"; did you mean {meant}?" if least <= meant <= most else ""
        yield wrong(size, f"is more than {most}{plausible}", *at)


CHECKS = (names_differ, addresses_differ, macs_differ)
EACH = (
    is_inside,
    is_nobody_elses,
    is_not_the_host,
    has_processors,
    has_memory,
    has_a_root_disk,
    has_a_data_disk,
    is_not_swapped,
    holds_the_volumes,
)
"""Checks of one machine each."""
