"""A subscription in Azure: its resources by their ids, and the vaults that were deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.values import Properties, Value, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

VAULT = "Microsoft.KeyVault/vaults"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
NOT_SHOWN = frozenset({"azureApiVersion"})


@dataclass(frozen=True)
class Version:
    """One version of a key."""

    id: str
    made: datetime


@dataclass
class Thing:
    """One resource: what was last asked for, and what Azure itself knows of it."""

    id: str
    type: str
    inputs: Properties
    found: Properties = field(default_factory=dict[str, "Value"])
    versions: list[Version] = field(default_factory=list[Version])
    """Of a key."""

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]


@dataclass
class Azure:
    """All that one rehearsal makes in Azure."""

    things: dict[str, Thing] = field(default_factory=dict[str, Thing])
    """By id in lower case: Azure does not tell cases apart."""
    deleted_vaults: dict[str, list[Thing]] = field(default_factory=dict[str, list[Thing]])
    """By name, the vault and its keys. Nobody can purge them; their days pass by the calendar."""
    loses_answers: bool = False
    """Whether a failing operation has had its effect, or none: a line cut late or early."""

    def get(self, identity: str) -> Thing | None:
        """Return the resource with that id, if there is one."""
        return self.things.get(identity.lower())

    def put(self, thing: Thing) -> None:
        """Make ``thing``, or change it."""
        self.things[thing.id.lower()] = thing

    def of_type(self, kind: str) -> Iterator[Thing]:
        """Yield every resource of a type such as ``Microsoft.KeyVault/vaults``."""
        return (thing for thing in self.things.values() if thing.type == kind)

    def remove(self, identity: str) -> None:
        """Delete a resource with all inside and every role for it; vaults are kept aside."""
        inside = f"{identity.lower()}/"
        gone = [t for key, t in self.things.items() if f"{key}/".startswith(inside)]
        for vault in (thing for thing in gone if thing.type == VAULT):
            keys = [t for t in gone if t.versions and t.id.startswith(f"{vault.id}/")]
            self.deleted_vaults[vault.name] = [vault, *keys]
        for thing in gone:
            del self.things[thing.id.lower()]

    def recover(self, name: str) -> Thing:
        """Bring back the deleted vault called ``name`` with its keys; roles do not come back."""
        vault, *keys = self.deleted_vaults.pop(name)
        for thing in (vault, *keys):
            self.put(thing)
        return vault

    def snapshot(self) -> dict[str, object]:
        """Return the resources as they were asked for; principals by the identity's id."""
        principals = {text(t.found, "principalId"): t.id for t in self.of_type(IDENTITY)}
        shown = {
            thing.id: {
                key: principals.get(str(value), value)
                for key, value in thing.inputs.items()
                if key not in NOT_SHOWN
            }
            for _, thing in sorted(self.things.items())
        }
        return {"resources": shown} if shown else {}

    def export(self, folder: Path) -> None:
        """Write what was asked for as one file, by id."""
        if self.things:
            asked = {thing.id: thing.inputs for _, thing in sorted(self.things.items())}
            target = folder / "azure" / "resources.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"{json.dumps(asked, indent=2)}\n", encoding="utf-8")

    def forget(self, name: str) -> None:
        """Nothing in Azure stands on anything elsewhere."""
