"""``ampere secrets edit``: a file in the person's own editor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets import sops
from ampere_infra.secrets.command import store
from ampere_infra.secrets.command.place import FINE, Place, say

if TYPE_CHECKING:
    import argparse


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Let the person change the file, then say what is wrong with it."""
    model = store.model_of(chosen.stack)
    path = place.file(chosen.stack)
    changed = sops.edit(path)
    say(f"{place.shown(path)}: {'sealed again' if changed else 'not changed'}")
    model.parse(sops.decrypt(path), place.shown(path))
    return FINE
