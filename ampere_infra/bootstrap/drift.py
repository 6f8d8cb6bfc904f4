"""What a node was born with against what the settings would give it now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS: Final = {
    "kubernetes": "versions.kubernetes",
    "containerd": "versions.containerd",
    "packages": "bootstrap.packages",
    "user_data": "its user-data",
}


def drift(born: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return a line for each fact that the node was born with and the settings changed since."""
    changed = (key for key in SETTINGS if key in born and born[key] != wanted.get(key))
    return [f"{SETTINGS[key]}: born with {born[key]}, now {wanted.get(key)}" for key in changed]


def warn(node: str, resource: pulumi.Resource, born: str, wanted: Mapping[str, str]) -> None:
    """Tell the person about a node that stays as it was born.

    Args:
        node: the node's name.
        resource: what the warning is shown at.
        born: the text of its ``birth.json``.
        wanted: what the settings would give it now.
    """
    for line in drift(read(born), wanted):
        pulumi.log.warn(f"{node} keeps what it was born with: {line}", resource)


def read(born: str) -> dict[str, str]:
    """Return the facts in ``birth.json``; none where there is no such text."""
    try:
        facts: dict[str, str] = json.loads(born)
    except ValueError:
        return {}
    return facts
