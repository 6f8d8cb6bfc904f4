"""What outlives a destroy or an interruption: what is protected, what clouds keep, what strays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from ampere_infra.rehearsal.places.azure import Azure
from ampere_infra.rehearsal.places.hetzner import HetznerCloud

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ampere_infra.rehearsal.world import World

AZURE, HETZNER = "azure-native:", "hcloud:"
CLOUDS = ("foundation", "api")
"""The stacks of which a destroy may leave what is protected, and take all else away."""


def spared(protected: list[str], state: dict[str, Any], world: World) -> Iterator[str]:
    """Name what was to be kept and is gone, and what is left and was not: in the state, in a cloud.

    Beside what is protected stays what it needs: its owners and providers, what it is attached to.
    """
    resources = {r["urn"]: r for r in _resources(state)}
    found = {_name(r): r for r in resources.values() if r.get("protect")}
    for name in protected:
        if name not in found:
            yield f"destroy --exclude-protected dropped {name}"
        elif not _is_there(found[name], world):
            yield f"destroy --exclude-protected deleted {name}"
    needed = _needed(resources)
    for urn in sorted(resources.keys() - needed):
        yield f"destroy --exclude-protected left {_name(resources[urn])}, which nothing kept needs"
    for name in _unknown(resources.values(), world):
        yield f"destroy --exclude-protected left {name}, which the state does not have"


def _needed(resources: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return what is protected, and what that needs, whatever way."""
    found: set[str] = set()
    ahead = [urn for urn, resource in resources.items() if resource.get("protect")]
    while ahead:
        urn = ahead.pop()
        if urn in resources and urn not in found:
            found.add(urn)
            ahead += needs(resources[urn])
    return found


def needs(resource: Mapping[str, Any]) -> set[str]:
    """Return the URNs of what a resource of a state cannot be without."""
    by_property: dict[str, list[str] | None] = resource.get("propertyDependencies") or {}
    owner: str = resource.get("parent") or ""
    provider: str = resource.get("provider") or ""
    found: set[str] = {*(resource.get("dependencies") or ()), owner, provider.rpartition("::")[0]}
    return found.union(*(urns or () for urns in by_property.values())) - {""}


def _unknown(resources: Iterable[Mapping[str, Any]], world: World) -> Iterator[str]:
    """Name what a cloud has and no resource is."""
    ids = {str(r.get("id")) for r in resources}
    numbers = {identity.partition("-")[0] for identity in ids}
    for number, thing in world.part(HetznerCloud).things.items():
        if str(number) not in numbers:
            yield f"{thing.name} ({thing.kind})"
    yield from sorted(world.part(Azure).things.keys() - {identity.lower() for identity in ids})


def _is_there(resource: Mapping[str, Any], world: World) -> bool:
    """Tell whether a cloud still has a resource; what no cloud has is in the state alone."""
    if resource["type"].startswith(AZURE):
        return world.part(Azure).get(resource["id"]) is not None
    if resource["type"].startswith(HETZNER):
        return int(resource["id"].partition("-")[0]) in world.part(HetznerCloud).things
    return True


def is_locked(world: World) -> bool:
    """Tell whether a cloud itself refuses to delete something, whatever the state says."""
    return any(thing.protected for thing in world.part(HetznerCloud).things.values())


def deleted_but_kept(world: World) -> Iterator[str]:
    """Say which vaults Azure keeps, deleted as they are."""
    for name, (vault, *keys) in world.part(Azure).deleted_vaults.items():
        days = cast("dict[str, object]", vault.inputs["properties"])["softDeleteRetentionInDays"]
        yield f"(Azure keeps the deleted vault {name} and {len(keys)} key of it for {days} days)"


def imports(state: dict[str, Any], folder: Path) -> None:
    """Write for each resource of Azure what ``pulumi import --file`` takes, below ``folder``.

    The provider takes over nothing that it did not record. What an interrupted run made all the
    same is imported: types, names, ids and owners are those of the real run.
    """
    for resource in _resources(state):
        if resource["type"].startswith(AZURE):
            name = _name(resource)
            target = folder / "azure" / "import" / f"{name}-{_kind(resource)}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"{json.dumps(_import(resource, name), indent=2)}\n", "utf-8")


def _import(resource: Mapping[str, Any], name: str) -> dict[str, object]:
    wanted = {"type": resource["type"], "name": name, "id": resource["id"], "provider": "azure"}
    urns = {"azure": resource["provider"].rpartition("::")[0]}
    if "$" in resource["urn"]:
        wanted["parent"], urns["owner"] = "owner", resource["parent"]
    return {"nameTable": urns, "resources": [wanted]}


def _name(resource: Mapping[str, Any]) -> str:
    return resource["urn"].rpartition("::")[2]


def _kind(resource: Mapping[str, Any]) -> str:
    return resource["type"].rpartition(":")[2]


def _resources(state: dict[str, Any]) -> list[dict[str, Any]]:
    return state["deployment"].get("resources") or []
