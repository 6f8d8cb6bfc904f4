"""``libvirt:index/domain:Domain``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pulumi_libvirt import DomainArgs

from ampere_infra.rehearsal.doubles.bridged import Sdk2, state
from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.libvirt.domain_rules import FOUND, NESTED, RULES
from ampere_infra.rehearsal.doubles.values import UNKNOWN, Properties, Value, items, number, text
from ampere_infra.rehearsal.places.hypervisor import Domain, Interface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.places.hypervisor import Hypervisor, Network
    from ampere_infra.rehearsal.world import World

_MAC = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_ALWAYS: dict[str, Value] = {
    "arch": "x86_64",
    "emulator": "/usr/bin/qemu-system-x86_64",
    "machine": "pc",
}


class DomainKind(Sdk2):
    """A machine."""

    arguments = DomainArgs
    rules = RULES

    def fill(self, inputs: Properties) -> tuple[Properties, list[str]]:
        """Fill in what the schema has for disks and consoles, too."""
        filled, missing = super().fill(inputs)
        for key, defaults in NESTED.items():
            entries = filled.get(key)
            if isinstance(entries, list):
                whole = [{**defaults, **e} if isinstance(e, dict) else e for e in entries]
                filled[key] = [*whole]
        return filled, missing

    def plan(self, call: Call) -> Properties:
        """Return the inputs, and unknown for what libvirt will find of disks and interfaces."""
        planned = super().plan(call)
        for key, unknown in FOUND.items():
            entries = planned.get(key)
            if isinstance(entries, list):
                found: Properties = dict.fromkeys(unknown, UNKNOWN)
                planned[key] = [{**found, **e} if isinstance(e, dict) else e for e in entries]
        return planned

    def told(self, inputs: Properties, domain: Domain, *, fresh: bool) -> Properties:
        """Return the state of a machine; a ``fresh`` one is as its inputs say."""
        found: dict[str, Value] = {
            **self.hardware(domain),
            "autostart": domain.autostart,
            "cpu": inputs.get("cpu") or {"mode": "custom"},
            "memory": domain.memory,
            "vcpu": domain.vcpu,
            "running": inputs.get("running") if fresh else domain.running,
        }
        nics = items(inputs, "networkInterfaces")
        if nics:
            found["networkInterfaces"] = [
                self._nic_state(nic, interface, fresh=fresh)
                for nic, interface in zip(nics, domain.interfaces, strict=False)
            ]
        disks = [disk for disk in items(inputs, "disks") if isinstance(disk, dict)]
        if fresh and disks:
            found["disks"] = [{**disk, "scsi": bool(disk.get("scsi"))} for disk in disks]
        elif domain.disks:
            found["disks"] = [{"volumeId": key, "scsi": False} for key in domain.disks]
        return state(inputs, **found)

    def _nic_state(self, nic: Value, interface: Interface, *, fresh: bool) -> Value:
        """Return an interface as libvirt shows it: no lease, no address."""
        given = nic if isinstance(nic, dict) else {}
        found: Properties = {
            "waitForLease": False,
            "mac": interface.mac,
            "networkName": interface.network,
            "networkId": self.network_id(interface.network),
            "hostname": "",
            "addresses": [],
        }
        # An update of an interface changes the state, not the machine: a refresh tells.
        return {**found, **given} if fresh else {**given, **found}

    def hardware(self, domain: Domain) -> Mapping[str, Value]:
        """Return what the provider finds of the host's hardware, and the machine's."""
        del domain
        return _ALWAYS

    def network_id(self, name: str) -> str:
        """Return the UUID of a network, or nothing."""
        raise NotImplementedError


class ModelledDomain(DomainKind):
    """A machine of the model."""

    worst = frozenset({"create", "update", "delete"})

    def __init__(self, host: Hypervisor, world: World) -> None:
        self.host = host
        self.world = world

    def network_id(self, name: str) -> str:
        """Return the UUID of a network of the model."""
        network = self.host.networks.get(name)
        return network.uuid if network is not None else ""

    def create(self, call: Call) -> Made:
        """Define and start a machine; when the start fails, it stays defined."""
        domain = self._wanted(call.inputs)
        known = self.host.domains.get(domain.name)
        if known is not None:
            raise RefusalError(
                f"error defining libvirt domain: operation failed: domain '{domain.name}' "
                f"already exists with uuid {known.uuid}"
            )
        self.host.define(domain)
        self._start(domain, breaks=call.fails)
        if call.inputs.get("running") is False:
            self.host.stop(domain)
        return Made(domain.uuid, self.told(call.inputs, domain, fresh=True))

    def read(self, call: Call) -> Made | None:
        """Return the machine that has this id."""
        domain = self.host.domain_of(call.id)
        if domain is None:
            return None
        for key in domain.disks:
            pool = self.host.pools.get(
                self.host.volumes[key].pool if key in self.host.volumes else ""
            )
            if pool is not None and not pool.active:
                raise RefusalError(
                    "error retrieving volume for disk: Requested operation is not valid: "
                    f"storage pool '{pool.name}' is not active"
                )
        return Made(call.id, self.told(call.old, domain, fresh=False))

    def change(self, call: Call) -> Made:
        """Start the machine if it does not run, and set what can be set on a live one."""
        domain = self.host.domain_of(call.id)
        if domain is None:
            raise refusals.no_domain(call.id, "update")
        made = Made(call.id, {**call.old, **self.told(call.inputs, domain, fresh=True)})
        if call.fails:
            raise IncompleteError(made, ["client socket is closed"])
        if not domain.running:
            self._start(domain, breaks=False)
        domain.autostart = bool(call.inputs.get("autostart", domain.autostart))
        return Made(call.id, {**call.old, **self.told(call.inputs, domain, fresh=True)})

    def delete(self, call: Call) -> None:
        """Stop and forget the machine; to libvirt's provider its absence is an error."""
        domain = self.host.domain_of(call.id)
        if domain is None:
            raise refusals.no_domain(call.id, "delete")
        if call.fails:
            self.host.stop(domain)
            raise RefusalError(
                "couldn't undefine libvirt domain with flags: client socket is closed"
            )
        self.world.forget(*self.host.undefine(domain))

    def _start(self, domain: Domain, *, breaks: bool) -> None:
        for interface in domain.interfaces:
            network = self.host.networks.get(interface.network)
            if network is not None and not network.active:
                raise RefusalError(
                    "error creating libvirt domain: Requested operation is not valid: "
                    f"network '{network.name}' is not active"
                )
            owner = self.host.macs.get(interface.mac)
            if owner is not None:
                raise RefusalError(
                    "error creating libvirt domain: unsupported configuration: "
                    f"MAC address {interface.mac} is in use by domain '{owner}'"
                )
        held = next((key for key in domain.disks if key in self.host.writers), None)
        if held is not None:
            raise RefusalError(
                "error creating libvirt domain: internal error: process exited while connecting "
                f'to monitor: Failed to get "write" lock: Is another process using the image '
                f"[{held}]?"
            )
        if breaks:
            raise RefusalError(
                "error creating libvirt domain: internal error: qemu unexpectedly closed the "
                "monitor: Could not open backing file: Permission denied"
            )
        self.host.start(domain)

    def _wanted(self, inputs: Properties) -> Domain:
        interfaces = tuple(self._interface(entry) for entry in items(inputs, "networkInterfaces"))
        if number(inputs, "memory") == 0:
            raise RefusalError(
                "error defining libvirt domain: XML error: Memory size must be specified via "
                "<memory> or in the <numa> configuration"
            )
        disks = tuple(key for entry in items(inputs, "disks") if (key := self._disk(entry)))
        return Domain(
            text(inputs, "name"),
            number(inputs, "vcpu") or 1,
            number(inputs, "memory") or 512,
            text(inputs, "description"),
            disks,
            interfaces,
            autostart=bool(inputs.get("autostart")),
        )

    def _disk(self, entry: Value) -> str:
        disk = entry if isinstance(entry, dict) else {}
        key = text(disk, "volumeId")
        volume = self.host.volumes.get(key)
        if key and volume is None:
            raise refusals.no_volume(key)
        if volume is not None and volume.backing and volume.backing not in self.host.volumes:
            raise RefusalError(
                "error creating libvirt domain: Cannot access backing file "
                f"'{volume.backing}' of storage file '{key}': No such file or directory"
            )
        return key

    def _interface(self, entry: Value) -> Interface:
        nic = entry if isinstance(entry, dict) else {}
        network = self._network(nic)
        name = network.name if network is not None else ""
        mac = text(nic, "mac").upper()
        if mac and not _MAC.fullmatch(mac):
            raise RefusalError(
                "error defining libvirt domain: XML error: "
                f"unable to parse mac address '{text(nic, 'mac')}'"
            )
        mac = mac or f"52:54:00:00:00:{len(self.host.macs) % 256:02X}"
        if network is not None and network.mode != "bridge":
            for address in items(nic, "addresses"):
                network.guests[mac] = str(address)
        return Interface(name, text(nic, "bridge"), mac)

    def _network(self, nic: Properties) -> Network | None:
        if name := text(nic, "networkName"):
            if name not in self.host.networks:
                raise refusals.no_network_named(name)
            return self.host.networks[name]
        if identity := text(nic, "networkId"):
            found = self.host.network_of(identity)
            if found is None:
                raise refusals.no_network_of_id(identity)
            return found
        return None
