"""``libvirt:index/pool:Pool`` on a real libvirtd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.kind import Call, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt.pools import PoolKind
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import pool_xml
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import DOCUMENT, refusing

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh
    from ampere_infra.rehearsal.doubles.values import Properties


class RealPool(PoolKind):
    """A pool of the real host."""

    alone = False

    def __init__(self, virsh: Virsh) -> None:
        self.virsh = virsh

    def create(self, call: Call) -> Made:
        """Define, build and start a pool; a failure between leaves it defined."""
        name, path = self.wanted(call.inputs, is_there=self._is_there)
        if call.inputs.get("source") or call.inputs["type"] != "dir":
            raise RefusalError("the rehearsal makes folders only on a real host")
        with self.virsh.pool(name):
            with refusing("error creating libvirt storage pool"):
                self.virsh("pool-define", DOCUMENT, stdin=pool_xml(name, path))
            with refusing("error building libvirt storage pool"):
                self.virsh("pool-build", name)
            with refusing("error setting up libvirt storage pool"):
                self.virsh("pool-autostart", name)
            with refusing("error starting libvirt storage pool"):
                self.virsh("pool-start", name)
            with refusing("error refreshing libvirt storage pool"):
                self.virsh.refresh(name)
        with refusing("error retrieving libvirt pool"):
            identity = self.virsh("pool-uuid", name)
        found = self._found(identity, call.inputs)
        if found is None:
            raise RefusalError(f"error retrieving libvirt pool id: {name}")
        return Made(identity, found)

    def read(self, call: Call) -> Made | None:
        """Return the pool that has this id, started or not."""
        found = self._found(call.id, call.old)
        return Made(call.id, found) if found is not None else None

    def delete(self, call: Call) -> None:
        """Stop, remove and forget the pool; libvirt does not remove a folder with files in it."""
        with refusing("error retrieving storage pool info"):
            document = self.virsh.document("pool-dumpxml", call.id)
            if document is None:
                return
            state = self.virsh.told("pool-info", call.id)["State"]
        with (
            self.virsh.pool(document.findtext("name", "")),
            refusing("error deleting storage pool"),
        ):
            if state != "inactive":
                self.virsh("pool-destroy", call.id)
            self.virsh("pool-delete", call.id)
            self.virsh("pool-undefine", call.id)

    def _is_there(self, name: str) -> bool:
        with refusing():
            return self.virsh.document("pool-dumpxml", name) is not None

    def _found(self, identity: str, inputs: Properties) -> Properties | None:
        with refusing("error retrieving libvirt pool"):
            document = self.virsh.document("pool-dumpxml", identity)
        if document is None:
            return None
        numbers = {key: int(document.findtext(key, "0")) for key in _NUMBERS}
        name, path = document.findtext("name", ""), document.findtext("target/path", "")
        return self.told(inputs, name, path, **numbers)


_NUMBERS = ("capacity", "allocation", "available")
