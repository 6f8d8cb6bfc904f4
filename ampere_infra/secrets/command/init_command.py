"""``ampere secrets init``: a stack's first secrets, or those that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets.command import asking, store
from ampere_infra.secrets.command.place import FINE, Place, WrongInputError, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Make and ask for what is not there yet."""
    model = store.model_of(chosen.stack)
    path = place.file(chosen.stack)
    before = store.existing(path)
    kept = before or {}
    absent = {name: kind for name, kind in model.kinds().items() if name not in kept}
    given = asking.obtain(model, [name for name, kind in absent.items() if kind.given])
    if wrong := list(store.clashes(given, kept)):
        raise WrongInputError(*wrong)
    made = {name: kind.make() for name, kind in absent.items() if not kind.given}
    values = {name: (made | given)[name] for name in absent if name in made | given}
    store.ensure_rule(place, chosen.stack)
    if values or before is None:
        store.add(path, before, values)
    _tell(place.shown(path), kept, made, given)
    if without := [name for name in absent if name not in values]:
        say(f"  left out, and not needed: {', '.join(without)}")
    model.parse(kept | values, place.shown(path))
    return FINE


def _tell(file: str, kept: Collection[str], made: Collection[str], given: Collection[str]) -> None:
    for what, names in (("made", made), ("given", given)):
        if names:
            say(f"{file}: {len(names)} {what}: {', '.join(names)}")
    if kept:
        say(f"{file}: {len(kept)} were there already and stay as they are")
