"""What commands left on hosts and machines, as far as a rehearsal follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.places.stable import stable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Standing:
    """A command in force, and the id of the resource that ran it."""

    id: str
    command: str


@dataclass
class Hosts:
    """Every address that a command ran on."""

    alive: dict[str, dict[str, Standing]] = field(default_factory=dict[str, dict[str, "Standing"]])
    """By address and resource, the command that made what is there."""
    files: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By address and path, the files that commands installed."""

    def record(self, address: str, urn: str, standing: Standing) -> None:
        """Note what is in force on ``address``: doing the same thing again is no second thing."""
        self.alive.setdefault(address, {})[urn] = standing

    def drop(self, address: str, urn: str, identity: str) -> None:
        """Note that it no longer is, unless another run of the resource has taken its place."""
        known = self.alive.get(address, {})
        if urn in known and known[urn].id == identity:
            del known[urn]
        if not known:
            self.alive.pop(address, None)

    def forget(self, name: str) -> None:
        """Drop all that was on the machine with the address ``name``."""
        self.alive.pop(name, None)
        self.files.pop(name, None)

    def snapshot(self) -> dict[str, object]:
        """Return what is in force, without identities."""
        commands = {
            address: sorted(stable(standing.command) for standing in found.values())
            for address, found in sorted(self.alive.items())
        }
        files = {address: dict(sorted(f.items())) for address, f in sorted(self.files.items()) if f}
        return {key: value for key, value in (("commands", commands), ("files", files)) if value}

    def export(self, folder: Path) -> None:
        """Write each installed file below ``folder``."""
        for address, files in self.files.items():
            for path, text in files.items():
                target = folder / "hosts" / address / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="\n")
