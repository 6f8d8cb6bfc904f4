"""What a libvirt host has: pools, volumes, networks and machines."""

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


def new_host_key() -> str:
    """Return the public half of a key that an sshd makes at its first start."""
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

    @property
    def owner(self) -> str:
        """What a cluster's data live on: the last disk."""
        return self.disks[-1] if self.disks else self.uuid


def told_volume(volume: Volume) -> dict[str, object]:
    """Return a volume as a snapshot has it."""
    return {
        "size": volume.size if volume.seed is None else "seed",
        "format": volume.format,
        "backing": volume.backing,
        "whole": volume.whole,
        "user-data": stable(volume.seed.user_data) if volume.seed else None,
        "network-config": stable(volume.seed.network_config) if volume.seed else None,
    }


def told_network(network: Network) -> dict[str, object]:
    """Return a network as a snapshot has it."""
    return {
        "mode": network.mode,
        "bridge": network.bridge,
        "subnets": [str(subnet) for subnet in network.subnets],
        "autostart": network.autostart,
        "active": network.active,
        "guests": dict(sorted(network.guests.items())),
    }


def told_domain(domain: Domain) -> dict[str, object]:
    """Return a machine as a snapshot has it."""
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


def export_seed(folder: Path, seed: Seed) -> None:
    """Write what a seed holds below ``folder``."""
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
