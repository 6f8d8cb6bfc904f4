"""A libvirt host: pools, volumes, networks and machines, as ``virsh`` would list them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ampere_infra.rehearsal.places.stable import stable

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from ampere_infra.rehearsal.places.seeds import Seed


def _uuid() -> str:
    return str(uuid.uuid4())


def _host_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@dataclass
class Pool:
    """A folder of volumes."""

    name: str
    path: str
    uuid: str = field(default_factory=_uuid)
    active: bool = True


@dataclass
class Volume:
    """A file in a pool; its key, which is also the resource's id, is its path."""

    pool: str
    name: str
    key: str
    size: int
    format: str
    backing: str = ""
    """The key of the volume that it is laid over."""
    seed: Seed | None = None
    whole: bool = True
    """Whether all of its content has arrived."""


@dataclass
class Network:
    """A virtual network of the host."""

    name: str
    mode: str
    bridge: str
    subnets: tuple[IPv4Network | IPv6Network, ...]
    dhcp: bool
    uuid: str = field(default_factory=_uuid)
    autostart: bool = False
    active: bool = True
    guests: dict[str, str] = field(default_factory=dict[str, str])
    """Addresses that machines asked to be given, by MAC."""


@dataclass
class Interface:
    """A machine's network interface."""

    network: str
    bridge: str
    mac: str


@dataclass
class Domain:
    """A machine."""

    name: str
    vcpu: int
    memory: int
    description: str
    disks: tuple[str, ...]
    """Its volumes' keys."""
    interfaces: tuple[Interface, ...]
    uuid: str = field(default_factory=_uuid)
    autostart: bool = False
    running: bool = False
    born_of: Seed | None = None
    """What cloud-init read when the machine started for the first time."""
    host_key: str = ""
    """The public key that its sshd made at its birth."""
    marks: dict[str, str] = field(default_factory=dict[str, str])
    """What it was given and what it became since."""


@dataclass
class Hypervisor:
    """All that one libvirtd manages."""

    pools: dict[str, Pool] = field(default_factory=dict[str, Pool])
    volumes: dict[str, Volume] = field(default_factory=dict[str, Volume])
    networks: dict[str, Network] = field(default_factory=dict[str, Network])
    domains: dict[str, Domain] = field(default_factory=dict[str, Domain])
    addresses: dict[str, str] = field(default_factory=dict[str, str])
    """Which machine answers on an address."""
    macs: dict[str, str] = field(default_factory=dict[str, str])
    dialled: bool = False
    """Whether a provider was configured for this host."""
    writers: dict[str, str] = field(default_factory=dict[str, str])
    """Which running machine holds a volume."""

    def pool_of(self, identity: str) -> Pool | None:
        """Return the pool with that UUID."""
        return next((p for p in self.pools.values() if p.uuid == identity), None)

    def network_of(self, identity: str) -> Network | None:
        """Return the network with that UUID."""
        return next((n for n in self.networks.values() if n.uuid == identity), None)

    def domain_of(self, identity: str) -> Domain | None:
        """Return the machine with that UUID."""
        return self._by_uuid.get(identity)

    def volume(self, pool: str, name: str) -> Volume | None:
        """Return the volume of that name in that pool."""
        found = self.pools.get(pool)
        return self.volumes.get(f"{found.path}/{name}") if found else None

    def define(self, domain: Domain) -> None:
        """Write a machine down."""
        self.domains[domain.name] = domain
        self._by_uuid[domain.uuid] = domain

    def start(self, domain: Domain) -> None:
        """Run a machine; at its first start cloud-init reads its seed."""
        domain.running = True
        for key in domain.disks:
            self.writers[key] = domain.name
        for interface in domain.interfaces:
            self.macs[interface.mac] = domain.name
        if domain.born_of is None:
            domain.host_key = _host_key()
            seeds = (self.volumes[k].seed for k in domain.disks if k in self.volumes)
            domain.born_of = next((seed for seed in seeds if seed is not None), None)
        if domain.born_of is not None:
            self.addresses.update(dict.fromkeys(domain.born_of.addresses, domain.name))

    def stop(self, domain: Domain) -> None:
        """Pull a machine's plug."""
        domain.running = False
        macs = tuple(interface.mac for interface in domain.interfaces)
        addresses = domain.born_of.addresses if domain.born_of else ()
        for index, keys in (
            (self.writers, domain.disks),
            (self.macs, macs),
            (self.addresses, addresses),
        ):
            for key in keys:
                if index.get(key) == domain.name:
                    del index[key]

    def undefine(self, domain: Domain) -> tuple[str, ...]:
        """Forget a machine and return all names that others may know it by."""
        self.stop(domain)
        self.domains.pop(domain.name, None)
        self._by_uuid.pop(domain.uuid, None)
        addresses = domain.born_of.addresses if domain.born_of else ()
        return (domain.uuid, *addresses)

    def answering(self, address: str) -> Domain | None:
        """Return the running machine that has ``address``."""
        name = self.addresses.get(address)
        return self.domains.get(name) if name is not None else None

    def forget(self, name: str) -> None:
        """Nothing here depends on another piece of the world."""

    def snapshot(self) -> dict[str, object]:
        """Return what exists, by name."""
        kinds: dict[str, dict[str, object]] = {
            "pools": {p.name: (p.path, p.active) for p in self.pools.values()},
            "volumes": {stable(v.key): _volume(v) for v in self.volumes.values()},
            "networks": {n.name: _network(n) for n in self.networks.values()},
            "domains": {d.name: _domain(d) for d in self.domains.values()},
        }
        return {kind: dict(sorted(found.items())) for kind, found in kinds.items() if found}

    def export(self, folder: Path) -> None:
        """Write what each machine's seed holds below ``folder``."""
        for domain in self.domains.values():
            for key in domain.disks:
                volume = self.volumes.get(key)
                if volume is not None and volume.seed is not None:
                    _export_seed(folder / "nodes" / domain.name, volume.seed)

    def __post_init__(self) -> None:
        self._by_uuid: dict[str, Domain] = {d.uuid: d for d in self.domains.values()}


def _volume(volume: Volume) -> dict[str, object]:
    return {
        "size": volume.size if volume.seed is None else "seed",
        "format": volume.format,
        "backing": volume.backing,
        "whole": volume.whole,
        "user-data": stable(volume.seed.user_data) if volume.seed else None,
        "network-config": stable(volume.seed.network_config) if volume.seed else None,
    }


def _network(network: Network) -> dict[str, object]:
    return {
        "mode": network.mode,
        "bridge": network.bridge,
        "subnets": [str(subnet) for subnet in network.subnets],
        "autostart": network.autostart,
        "active": network.active,
        "guests": dict(sorted(network.guests.items())),
    }


def _domain(domain: Domain) -> dict[str, object]:
    return {
        "vcpu": domain.vcpu,
        "memory": domain.memory,
        "description": stable(domain.description),
        "disks": [stable(key) for key in domain.disks],
        "interfaces": [(i.network, i.bridge, i.mac) for i in domain.interfaces],
        "autostart": domain.autostart,
        "running": domain.running,
        "marks": sorted(domain.marks),
        "born of": stable(domain.born_of.user_data) if domain.born_of else None,
    }


def _export_seed(folder: Path, seed: Seed) -> None:
    texts = {
        "user-data": seed.user_data,
        "network-config": seed.network_config,
        "meta-data": seed.meta_data,
        **{f"files/{path.lstrip('/')}": text for path, text in seed.files.items()},
    }
    for name, text in texts.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
