"""What commands left on hosts and machines, as far as a rehearsal follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.places.stable import stable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Hosts:
    """Every address that a command ran on."""

    alive: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By address and resource's id, the command that made what is there."""
    files: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By address and path, the files that commands installed."""

    def record(self, address: str, identity: str, command: str) -> None:
        """Note that ``command`` is in force on ``address``."""
        self.alive.setdefault(address, {})[identity] = command

    def drop(self, address: str, identity: str) -> None:
        """Note that it no longer is."""
        known = self.alive.get(address, {})
        known.pop(identity, None)
        if not known:
            self.alive.pop(address, None)

    def forget(self, name: str) -> None:
        """Drop all that was on the machine with the address ``name``."""
        self.alive.pop(name, None)
        self.files.pop(name, None)

    def snapshot(self) -> dict[str, object]:
        """Return what is in force, without identities."""
        commands = {
            address: sorted(stable(command) for command in found.values())
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
