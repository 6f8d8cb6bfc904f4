"""``libvirt:index/domain:Domain`` on a real libvirtd."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.kind import Call, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.libvirt.domains import DomainKind
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import Disk, Nic, domain_xml
from ampere_infra.rehearsal.doubles.libvirt.real.hardware import hardware, machine_of, machines
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import DOCUMENT, refusing
from ampere_infra.rehearsal.doubles.values import Properties, Value, items, text
from ampere_infra.rehearsal.places.hypervisor import Domain, Interface

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh

_PLAYED_ONLY = (
    *("bootDevices", "cloudinit", "cmdlines", "coreosIgnition", "filesystems", "firmware"),
    *("initrd", "kernel", "nvram", "tpm", "xml"),
)
_UNDEFINE = ("--nvram", "--snapshots-metadata", "--managed-save", "--checkpoints-metadata")
_ON = ("running", "paused")


@dataclass
class Found(Domain):
    """A machine as libvirt describes it."""

    hardware: dict[str, Value] = field(default_factory=dict[str, Value])
    cpu: str = ""


class RealDomain(DomainKind):
    """A machine of the real host."""

    alone = False

    def __init__(self, virsh: Virsh) -> None:
        self.virsh = virsh

    def create(self, call: Call) -> Made:
        """Define and start a machine; when the start fails, it stays defined."""
        name, document = text(call.inputs, "name"), self._document(call.inputs)
        consoles = self.virsh.reality.consoles
        if consoles is not None:
            self.virsh.programs.run("mkdir", "-p", consoles)
        with refusing("error defining libvirt domain"):
            self.virsh("define", DOCUMENT, stdin=document)
            identity = self.virsh("domuuid", name)
        if call.inputs.get("autostart"):
            self._autostart(identity, wanted=True)
        with refusing("error creating libvirt domain"):
            self.virsh("start", identity)
        domain = self._must_find(identity)
        if call.inputs.get("running") is False:
            with refusing("couldn't destroy libvirt domain"):
                self.virsh("destroy", identity)
        return Made(identity, self.told(call.inputs, domain, fresh=True))

    def read(self, call: Call) -> Made | None:
        """Return the machine that has this id."""
        domain = self._found(call.id)
        return Made(call.id, self.told(call.old, domain, fresh=False)) if domain else None

    def change(self, call: Call) -> Made:
        """Start the machine if it does not run, and set what can be set on a live one."""
        domain = self._found(call.id)
        if domain is None:
            raise refusals.no_domain(call.id, "update")
        if not domain.running:
            with refusing("error creating libvirt domain"):
                self.virsh("start", call.id)
        if call.inputs.get("autostart") != call.old.get("autostart"):
            self._autostart(call.id, wanted=bool(call.inputs.get("autostart")))
        domain = self._must_find(call.id)
        return Made(call.id, {**call.old, **self.told(call.inputs, domain, fresh=True)})

    def delete(self, call: Call) -> None:
        """Stop and forget the machine; to libvirt's provider its absence is an error."""
        with refusing("couldn't get info about domain"):
            if self.virsh.document("dumpxml", call.id) is None:
                raise refusals.no_domain(call.id, "delete")
            state = self.virsh("domstate", call.id)
        if state in _ON:
            with refusing("couldn't destroy libvirt domain"):
                self.virsh("destroy", call.id)
        with refusing("couldn't undefine libvirt domain with flags"):
            self.virsh("undefine", *_UNDEFINE, call.id)

    def hardware(self, domain: Domain) -> Mapping[str, Value]:
        """Return what libvirt says of the machine's hardware."""
        return domain.hardware if isinstance(domain, Found) else {}

    def told(self, inputs: Properties, domain: Domain, *, fresh: bool) -> Properties:
        """Return the state; the CPU as declared where it is emulated as another."""
        told = super().told(inputs, domain, fresh=fresh)
        if not fresh and isinstance(domain, Found):
            told |= {"name": domain.name, "description": domain.description}
            if domain.cpu and self.virsh.reality.emulation is None:
                told["cpu"] = {"mode": domain.cpu}
        return told

    def network_id(self, name: str) -> str:
        """Return the UUID of a network of the host."""
        if not name:
            return ""
        with refusing(f"can't retrieve network ID for '{name}'"):
            return self.virsh("net-uuid", name)

    def _autostart(self, identity: str, *, wanted: bool) -> None:
        with refusing("error setting autostart for domain"):
            self.virsh("autostart", identity, *(() if wanted else ("--disable",)))

    def _document(self, inputs: Properties) -> str:
        asked = [name for name in _PLAYED_ONLY if inputs.get(name)]
        if asked:
            raise RefusalError(f"the rehearsal gives a real machine no {', '.join(asked)}")
        with refusing("error retrieving host capabilities"):
            host = hardware(self.virsh)
            names = machines(self.virsh, host.arch)
        machine = text(inputs, "machine")
        if machine and machine not in names and machine not in names.values():
            raise RefusalError(f"[WARN] Cannot find machine type {machine} for hvm/{host.arch}")
        disks = [self._disk(entry) for entry in items(inputs, "disks")]
        nics = [self._nic(entry) for entry in items(inputs, "networkInterfaces")]
        return domain_xml(inputs, disks, nics, host, self.virsh.reality)

    def _disk(self, entry: Value) -> Disk:
        disk = entry if isinstance(entry, dict) else {}
        key = text(disk, "volumeId")
        if not key or disk.get("scsi"):
            raise RefusalError("the rehearsal gives a real machine VirtIO disks of volumes only")
        with refusing(f"can't retrieve volume {key}"):
            document = self.virsh.document("vol-dumpxml", key)
            if document is None:
                raise refusals.no_volume(key)
            pool = self.virsh("vol-pool", key)
        kind = document.find("target/format")
        return Disk(
            pool, document.findtext("name", ""), kind.get("type", "") if kind is not None else ""
        )

    def _nic(self, entry: Value) -> Nic:
        nic = entry if isinstance(entry, dict) else {}
        name, identity, bridge = (text(nic, k) for k in ("networkName", "networkId", "bridge"))
        if nic.get("addresses") or nic.get("waitForLease") or not (name or identity or bridge):
            raise RefusalError(
                "the rehearsal puts a real machine on a network or a bridge, without a lease"
            )
        with refusing(f"can't retrieve network '{name or identity}'"):
            if name and self.virsh.document("net-dumpxml", name) is None:
                raise refusals.no_network_named(name)
            if identity and not name:
                found = self.virsh.document("net-dumpxml", identity)
                if found is None:
                    raise refusals.no_network_of_id(identity)
                name = found.findtext("name", "")
        return Nic(name, bridge, text(nic, "mac").upper())

    def _key(self, disk: Element) -> str:
        """Return the volume behind a disk; its pool must run for that."""
        source = disk.find("source")
        pool, name = (source.get(k, "") if source is not None else "" for k in ("pool", "volume"))
        with refusing("error retrieving volume for disk"):
            return self.virsh("vol-key", "--pool", pool, name)

    def _must_find(self, identity: str) -> Found:
        domain = self._found(identity)
        if domain is None:
            raise RefusalError(f"error retrieving libvirt domain: {identity} is gone")
        return domain

    def _found(self, identity: str) -> Found | None:
        with refusing("error retrieving libvirt domain"):
            document = self.virsh.document("dumpxml", identity)
            if document is None:
                return None
            told = self.virsh.told("dominfo", identity)
            kind = document.find("os/type")
            arch = kind.get("arch", "") if kind is not None else ""
            names = machines(self.virsh, arch)
        cpu = document.find("cpu")
        return Found(
            document.findtext("name", ""),
            int(document.findtext("vcpu", "0")),
            int(document.findtext("memory", "0")) // 1024,
            document.findtext("description", ""),
            tuple(self._key(disk) for disk in document.findall("devices/disk")),
            tuple(_interface(nic) for nic in document.findall("devices/interface")),
            uuid=identity,
            autostart=told["Autostart"] == "enable",
            running=told["State"] == "running",
            hardware={
                "arch": arch,
                "emulator": document.findtext("devices/emulator", ""),
                "machine": machine_of(document, names),
            },
            cpu=cpu.get("mode", "") if cpu is not None else "",
        )


def _interface(nic: Element) -> Interface:
    source, mac = nic.find("source"), nic.find("mac")
    return Interface(
        source.get("network", "") if source is not None else "",
        source.get("bridge", "") if source is not None and nic.get("type") == "bridge" else "",
        mac.get("address", "").upper() if mac is not None else "",
    )
