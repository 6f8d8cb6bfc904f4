"""``libvirt:index/pool:Pool``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_libvirt import PoolArgs

from ampere_infra.rehearsal.doubles.bridged import Rules, Sdk2, state
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, Value, table, text
from ampere_infra.rehearsal.places.hypervisor import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from ampere_infra.rehearsal.places.hypervisor import Hypervisor

_CAPACITY = 2 * 1024**4


class PoolKind(Sdk2):
    """A storage pool of type ``dir``."""

    arguments = PoolArgs
    rules = Rules(
        force_new=frozenset(
            {"name", "type", "capacity", "allocation", "available", "path", "target.path"}
            | {"source", "source.name", "source.devices", "source.devices[].path", "xml.xslt"}
        ),
        computed=frozenset({"capacity", "allocation", "available", "target", "target.path"}),
        updatable=False,
    )

    def validate(self, call: Call) -> list[Failure]:
        """Refuse the old and the new way of giving the path at once."""
        if call.inputs.get("path") and table(call.inputs, "target").get("path"):
            reason = '"path": conflicts with target.0.path'
            return [Failure(f"{reason}. Examine values at '{call.name}.path'.")]
        return []

    def wanted(self, inputs: Properties, *, is_there: Callable[[str], bool]) -> tuple[str, str]:
        """Return the name and the path of a new pool, or refuse it before libvirt is asked."""
        name = text(inputs, "name")
        if is_there(name):
            raise RefusalError(f"storage pool '{name}' already exists")
        if text(inputs, "type") not in ("dir", "logical"):
            raise RefusalError(
                'only storage pools of type "dir" and "logical" are supported',
            )
        return name, text(table(inputs, "target"), "path") or text(inputs, "path")

    def told(self, inputs: Properties, name: str, path: str, **numbers: Value) -> Properties:
        """Return the state of a pool; ``numbers`` are bytes."""
        where: dict[str, Value] = {} if inputs.get("path") else {"target": {"path": path}}
        return state(inputs, name=name, **where, **numbers)


class ModelledPool(PoolKind):
    """A pool of the model."""

    worst = frozenset({"create", "delete"})

    def __init__(self, host: Hypervisor) -> None:
        self.host = host

    def create(self, call: Call) -> Made:
        """Define, build and start a pool; a failure between leaves it defined."""
        name, path = self.wanted(call.inputs, is_there=self.host.pools.__contains__)
        if not path.startswith("/"):
            raise RefusalError(
                "error creating libvirt storage pool: unsupported configuration: "
                "missing storage pool target path"
            )
        same = next((p.name for p in self.host.pools.values() if p.path == path), None)
        if same is not None:
            raise RefusalError(
                "error creating libvirt storage pool: operation failed: "
                f"Storage source conflict with pool: '{same}'"
            )
        pool = self.host.pools[name] = Pool(name, path, active=not call.fails)
        if call.fails:
            raise RefusalError(
                f"error starting libvirt storage pool: cannot open directory '{path}': "
                "Permission denied"
            )
        return Made(pool.uuid, self._state(call.inputs, pool))

    def read(self, call: Call) -> Made | None:
        """Return the pool that has this id."""
        pool = self.host.pool_of(call.id)
        return Made(call.id, self._state(call.old, pool)) if pool else None

    def delete(self, call: Call) -> None:
        """Stop, remove and forget the pool; libvirt does not remove a folder with files in it."""
        pool = self.host.pool_of(call.id)
        if pool is None:
            return
        pool.active = False
        if call.fails or any(volume.pool == pool.name for volume in self.host.volumes.values()):
            raise RefusalError(
                f"error deleting storage pool: "
                f"failed to remove pool '{pool.path}': Directory not empty"
            )
        del self.host.pools[pool.name]

    def _state(self, inputs: Properties, pool: Pool) -> Properties:
        used = sum(v.size for v in self.host.volumes.values() if v.pool == pool.name)
        return self.told(
            inputs,
            pool.name,
            pool.path,
            capacity=_CAPACITY,
            allocation=used,
            available=_CAPACITY - used,
        )
