"""A libvirt host: what it has, as ``virsh`` would list it, and which machine answers where."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.places.libvirt_things import (
    Domain,
    Interface,
    Network,
    Pool,
    Volume,
    export_seed,
    new_host_key,
    told_domain,
    told_network,
    told_volume,
)
from ampere_infra.rehearsal.places.stable import stable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Domain", "Hypervisor", "Interface", "Network", "Pool", "Volume"]


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
    address: str = ""
    """Where that provider found it."""
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
            domain.host_key = new_host_key()
            seeds = (self.volumes[k].seed for k in domain.disks if k in self.volumes)
            domain.born_of = next((seed for seed in seeds if seed is not None), None)
        if domain.born_of is not None and all(self._is_whole(key) for key in domain.disks):
            for mac, address in domain.born_of.interfaces:
                if self._can_have(domain, mac, address):
                    self.addresses[address] = domain.name

    def _is_whole(self, key: str) -> bool:
        volume = self.volumes.get(key)
        below = self.volumes.get(volume.backing) if volume is not None else None
        return volume is None or (volume.whole and (below is None or below.whole))

    def _can_have(self, domain: Domain, mac: str, address: str) -> bool:
        """Tell whether an interface of ``domain`` is the one that ``address`` is for."""
        for interface in domain.interfaces:
            network = self.networks.get(interface.network)
            subnets = network.subnets if network is not None else ()
            inside = not subnets or any(ip_address(address) in subnet for subnet in subnets)
            if mac in ("", interface.mac) and inside:
                return True
        return not domain.interfaces

    def is_hidden(self, domain: Domain) -> bool:
        """Tell whether a machine can be reached from its own host only."""
        networks = (self.networks.get(interface.network) for interface in domain.interfaces)
        return any(network is not None and network.mode == "nat" for network in networks)

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
            "volumes": {stable(v.key): told_volume(v) for v in self.volumes.values()},
            "networks": {n.name: told_network(n) for n in self.networks.values()},
            "domains": {d.name: told_domain(d) for d in self.domains.values()},
        }
        return {kind: dict(sorted(found.items())) for kind, found in kinds.items() if found}

    def export(self, folder: Path) -> None:
        """Write what each machine's seed holds below ``folder``."""
        for domain in self.domains.values():
            for key in domain.disks:
                volume = self.volumes.get(key)
                if volume is not None and volume.seed is not None:
                    export_seed(folder / "nodes" / domain.name, volume.seed)

    def __post_init__(self) -> None:
        self._by_uuid: dict[str, Domain] = {d.uuid: d for d in self.domains.values()}
