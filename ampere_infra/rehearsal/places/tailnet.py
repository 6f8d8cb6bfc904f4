"""Tailnets: which machines Tailscale knows, whether these still exist or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIRST_ADDRESS = "100.64.0."
"""Of RFC 6598, where Tailscale's addresses are from."""


@dataclass
class Tailnets:
    """What the admin consoles of all tailnets list."""

    devices: dict[str, str] = field(default_factory=dict[str, str])
    """A device's DNS name, and whose it is."""
    leaving: set[str] = field(default_factory=set[str])
    """Machines that log out when they are shut down."""
    logins: int = 0
    joins: int = 0
    """How often a machine was told to join, a member or not: no two are at the same time."""

    def add(self, name: str, owner: str) -> str:
        """Let a machine in and return its name and address; a name that is taken gets a number.

        https://tailscale.com/kb/1098/machine-names
        """
        self.logins += 1
        host, _, tailnet = name.partition(".")
        names = [name, *(f"{host}-{number}.{tailnet}" for number in range(1, 10))]
        given = next(one for one in names if self.devices.get(one, owner) == owner)
        self.devices[given] = owner
        return f"{given} {FIRST_ADDRESS}{self.logins}"

    def remove(self, name: str) -> None:
        """Let a machine go that has logged out; others stay listed, gone or not."""
        self.devices.pop(name, None)

    def snapshot(self) -> dict[str, object]:
        """Return the devices."""
        return {"devices": dict.fromkeys(sorted(self.devices), True)} if self.devices else {}

    def export(self, folder: Path) -> None:
        """No file comes here."""

    def forget(self, name: str) -> None:
        """Let a machine go that logs out when it stops: it is shut down before it is deleted."""
        if name in self.leaving:
            self.leaving.remove(name)
            self.devices = {one: owner for one, owner in self.devices.items() if owner != name}
