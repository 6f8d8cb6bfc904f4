"""The few commands of the program that change another piece of the world, or read one."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra.machines.piped import HEADING, unpiped
from ampere_infra.rehearsal.doubles.command.errors import ExitError
from ampere_infra.rehearsal.doubles.command.nodes import Nodes
from ampere_infra.rehearsal.doubles.tls.keys import load, public
from ampere_infra.rehearsal.doubles.values import text
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hosts import Hosts
from ampere_infra.rehearsal.places.hypervisor import Hypervisor, Volume
from ampere_infra.rehearsal.places.machines import Machines

if TYPE_CHECKING:
    from ampere_infra.rehearsal.places.machines import Booted
    from ampere_infra.rehearsal.world import World

_CLOUD_IMAGE = 3758096384
"""Bytes: the virtual size of Ubuntu's server cloud image."""
_SWEPT = re.compile(r"base-.*|.*-root-.*|.*-seed-.*")


@dataclass(frozen=True)
class Order:
    """A command as it reaches a shell."""

    address: str
    text: str
    stdin: str
    breaks: bool
    """The connection breaks in the middle."""

    @classmethod
    def of(cls, address: str, line: str, stdin: str, *, breaks: bool = False) -> Order:
        """Return what a command line and its standard input make a shell do."""
        return cls(address, *unpiped(line, stdin), breaks)

    @property
    def words(self) -> list[str]:
        """The words of what the command announces itself as, in its first line."""
        first = self.text.splitlines()[0] if self.text else ""
        return shlex.split(first.removeprefix(HEADING)) if first.startswith(HEADING) else []


def lets_in(machine: Booted, private_key: str) -> bool:
    """Tell whether a machine was born with the public half of ``private_key``."""
    line = text(public(load(private_key)), "publicKeyOpenssh")
    known = machine.born_of.authorized_keys if machine.born_of else ()
    return any(entry.split()[:2] == line.split()[:2] for entry in known)


class Shell:
    """Runs what it knows; everything else succeeds and says nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.host = world.part(Hypervisor)
        self.hosts = world.part(Hosts)
        self.cluster = world.part(Cluster)
        self.machines = Machines(world)
        self.nodes = Nodes(world)

    def run(self, order: Order) -> str:
        """Run ``order`` and return its stdout.

        Raises:
            ExitError: it fails.
        """
        if order.text.startswith("kubectl "):
            self._kubectl(order)
            return ""
        machine = self.machines.answering(order.address)
        if machine is not None:
            return self.nodes.run(machine, order.text, order.stdin)
        words = order.words
        if words and self.host.address not in ("", order.address):
            raise ExitError("virsh: command not found")
        if words:
            action = getattr(self, f"_{words[0].replace('-', '_')}", None)
            return action(order, *words[1:]) if action is not None else ""
        return ""

    def _base_image(self, order: Order, pool_name: str, name: str) -> str:
        pool = self.host.pools.get(pool_name)
        if pool is None or not pool.active:
            raise ExitError(f"error: failed to get pool '{pool_name}'")
        volume = self.host.volume(pool_name, name)
        if volume is None or (not volume.whole and not self._disks_over(volume)):
            key = f"{pool.path}/{name}"
            volume = Volume(pool_name, name, key, _CLOUD_IMAGE, "qcow2", whole=not order.breaks)
            self.host.volumes[key] = volume
        for old in [v for v in self.host.volumes.values() if v.pool == pool_name]:
            if old.name.startswith("base-") and old.name != name and not self._disks_over(old):
                del self.host.volumes[old.key]
        return name

    def _disks_over(self, base: Volume) -> bool:
        return any(volume.backing == base.key for volume in self.host.volumes.values())

    def _host_key(self, order: Order, node: str, address: str) -> str:
        machine = self.host.answering(address)
        if machine is None:
            raise ExitError(f"{node} did not answer on SSH at {address} in time.")
        del order
        return machine.host_key

    def _lookout(self, order: Order, node: str, address: str) -> str:
        machine = self.host.answering(address)
        if machine is None:
            raise ExitError(f"{node}: no answer on SSH at {address}.")
        known, _, key = order.stdin.partition("\n")
        if known.split()[1:3] != machine.host_key.split()[:2]:
            raise ExitError("Host key verification failed.")
        if not lets_in(machine, key):
            raise ExitError("Permission denied (publickey).")
        return self.nodes.run(machine, order.text, "")

    def _clear_pool(self, order: Order, name: str, path: str) -> str:
        del order
        pool = self.host.pools.get(name)
        if pool is not None and pool.path != path:
            raise ExitError(f"There is a pool {name} at {pool.path} already that is not ours")
        self.host.pools.pop(name, None)
        return ""

    def _clear_network(self, order: Order, name: str, bridge: str) -> str:
        del order
        network = self.host.networks.get(name)
        if network is not None and network.bridge != bridge:
            raise ExitError(f"There is a network {name} already that is not of this cluster")
        self.host.networks.pop(name, None)
        return ""

    def _clear_domain(self, order: Order, name: str, marker: str) -> str:
        del order
        domain = self.host.domains.get(name)
        if domain is not None and domain.description != marker:
            raise ExitError(f"There is a machine {name} already that is not of this cluster")
        if domain is not None:
            self.world.forget(*self.host.undefine(domain))
        return ""

    def _sweep(self, order: Order, pool: str) -> str:
        owner = re.search(r"ampere-infra:[^/'\"]+/", order.text)
        for domain in list(self.host.domains.values()):
            if owner is not None and domain.description.startswith(owner[0]):
                self.world.forget(*self.host.undefine(domain))
        for volume in list(self.host.volumes.values()):
            if volume.pool == pool and pool in self.host.pools and _SWEPT.fullmatch(volume.name):
                del self.host.volumes[volume.key]
        return ""

    def _nginx_install(self, order: Order, path: str) -> str:
        self.hosts.files.setdefault(order.address, {})[path] = order.stdin
        return ""

    def _nginx_remove(self, order: Order, path: str) -> str:
        self.hosts.files.get(order.address, {}).pop(path, None)
        return ""

    def _kubectl(self, order: Order) -> None:
        """Delete Helm's records of a release: the one thing that ``kubectl`` is called for."""
        words = shlex.split(order.text)
        if "delete" not in words or "secret" not in words or "--selector" not in words:
            return
        namespace = words[words.index("--namespace") + 1] if "--namespace" in words else "default"
        selector = words[words.index("--selector") + 1]
        name = re.search(r"name=([^,]+)", selector)
        statuses = re.search(r"status in \(([^)]*)\)", selector)
        release = self.cluster.releases.get((namespace, name[1] if name else ""))
        if release is None:
            return
        if statuses is None:
            del self.cluster.releases[namespace, release.name]
        elif release.status in statuses[1].split(","):
            release.unlock()
