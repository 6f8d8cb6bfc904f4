"""``libvirt:index/volume:Volume`` on a real libvirtd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import Backing, volume_xml
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import DOCUMENT, VirshError, refusing
from ampere_infra.rehearsal.doubles.libvirt.volumes import VolumeKind, local, upload_failed
from ampere_infra.rehearsal.doubles.values import Properties, number, text
from ampere_infra.rehearsal.places.hypervisor import Volume

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh

_HEAD = 8


class RealVolume(VolumeKind):
    """A volume of the real host."""

    alone = False

    def __init__(self, virsh: Virsh) -> None:
        self.virsh = virsh

    def create(self, call: Call) -> Made:
        """Make the volume, or silently take over the one of that name, and upload its source."""
        inputs, pool = call.inputs, text(call.inputs, "pool")
        with self.virsh.pool(pool):
            with refusing():
                if self.virsh.document("pool-dumpxml", pool) is None:
                    raise refusals.no_pool(pool)
                self.virsh.refresh(pool)
            self.refuse_mixture(inputs)
            source = local(text(inputs, "source")) if text(inputs, "source") else None
            document = self._document(inputs, source)
            key = self._make(pool, text(inputs, "name"), document)
            if source is not None:
                self._upload(call, key, source)
        made = self._found(key, inputs)
        if made is None:
            raise RefusalError(f"error looking up libvirt volume: {key} is gone")
        return made

    def read(self, call: Call) -> Made | None:
        """Return the volume that has this key; its pool is started for that."""
        found = self._found(call.id, call.old)
        if found is not None:
            return found
        pool = text(call.old, "pool")
        wrong = f"error retrieving pool {pool} for volume {call.id}"
        with refusing(wrong):
            state = self.virsh.told("pool-info", pool)["State"]
        if state != "inactive":
            return None
        with refusing(f"error starting pool {pool}"):
            self.virsh("pool-start", pool)
        return self._found(call.id, call.old)

    def delete(self, call: Call) -> None:
        """Remove the volume; neither its absence nor its use is an error."""
        with refusing(f"volumeDelete: Can't retrieve volume {call.id}"):
            if self.virsh.document("vol-dumpxml", call.id) is None:
                return
        with refusing("error retrieving pool for volume"):
            pool = self.virsh("vol-pool", call.id)
        with self.virsh.pool(pool):
            with refusing("error refreshing pool for volume"):
                self.virsh.refresh(pool)
            with refusing(f"can't delete volume {call.id}"):
                if self.virsh.document("vol-dumpxml", call.id) is not None:
                    self.virsh("vol-delete", call.id)

    def _document(self, inputs: Properties, source: Path | None) -> str:
        name, declared = text(inputs, "name"), text(inputs, "format")
        size, backing = number(inputs, "size"), None
        kind = declared or "qcow2"
        if source is not None:
            with source.open("rb") as file:
                if refusals.is_qcow2(file.read(_HEAD), declared, text(inputs, "source")):
                    kind = "qcow2"
            size = source.stat().st_size
        else:
            base = self._base(inputs)
            if base is not None:
                least = int(base.findtext("capacity", "0"))
                size = size or least
                if size < least:
                    raise refusals.too_small()
                backing = Backing(base.findtext("target/path", ""), _format(base))
        return volume_xml(name, size or 1, kind, backing)

    def _base(self, inputs: Properties) -> Element | None:
        if key := text(inputs, "baseVolumeId"):
            with refusing(f"can't retrieve volume ID '{key}'"):
                found = self.virsh.document("vol-dumpxml", key)
            if found is None:
                raise refusals.no_base_key(key)
            return found
        name = text(inputs, "baseVolumeName")
        if not name:
            return None
        pool = text(inputs, "baseVolumePool") or text(inputs, "pool")
        with refusing(f"can't retrieve base volume with name '{name}'"):
            if self.virsh.document("pool-dumpxml", pool) is None:
                raise refusals.no_pool(pool)
            found = self.virsh.document("vol-dumpxml", "--pool", pool, name)
        if found is None:
            raise refusals.no_base(name)
        return found

    def _make(self, pool: str, name: str, document: str) -> str:
        """Return the key of the volume of that name, which is made unless it is there."""
        with refusing("error looking up libvirt volume"):
            there = self.virsh.document("vol-dumpxml", "--pool", pool, name)
        with refusing("error creating libvirt volume"):
            if there is None:
                self.virsh("vol-create", pool, DOCUMENT, stdin=document)
            return self.virsh("vol-key", "--pool", pool, name)

    def _upload(self, call: Call, key: str, source: Path) -> None:
        try:
            with source.open("rb") as file:
                self.virsh("vol-upload", key, DOCUMENT, stdin=file)
        except VirshError as error:
            made = self._found(key, call.inputs) or Made(key, call.inputs)
            why = upload_failed(text(call.inputs, "source"), str(error))
            raise IncompleteError(made, [why]) from error

    def _found(self, key: str, inputs: Properties) -> Made | None:
        with refusing():
            document = self.virsh.document("vol-dumpxml", key)
            if document is None:
                return None
            pool = self.virsh("vol-pool", key)
        name, size = document.findtext("name", ""), int(document.findtext("capacity", "0"))
        return Made(key, self.told(inputs, Volume(pool, name, key, size, _format(document))))


def _format(document: Element) -> str:
    found = document.find("target/format")
    return found.get("type", "") if found is not None else ""
