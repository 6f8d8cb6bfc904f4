"""What makes new inputs differ from old ones, as azure-native compares them: to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.diffs import Change
from ampere_infra.rehearsal.doubles.values import Properties, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Iterator


def input_changes(old: Properties, new: Properties) -> Iterator[Change]:
    """Yield every property that differs; of a location, spaces and case do not count."""
    for change in _changes(old, new, ""):
        if change.path != "location" or _place(old) != _place(new):
            yield change


def _changes(old: Value, new: Value, path: str) -> Iterator[Change]:
    if old is None or new is None:
        if old is not new:
            yield Change(path, "ADD" if old is None else "DELETE")
    elif isinstance(new, Unknown):
        yield Change(path, "UPDATE")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            if not key.startswith("__"):
                inside = f"{path}.{key}" if path else key
                yield from _changes(old.get(key), new.get(key), inside)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            here, there = (side[index] if index < len(side) else None for side in (old, new))
            yield from _changes(here, there, f"{path}[{index}]")
    elif old != new:
        yield Change(path, "UPDATE")


def _place(inputs: Properties) -> str:
    return str(inputs.get("location")).replace(" ", "").lower()


def follow(inputs: Value, before: Value, now: Value) -> Value:
    """Return ``inputs`` with what changed between two readings, and nothing else.

    What Azure fills in by itself thus never becomes an input.
    """
    if isinstance(inputs, dict) and isinstance(before, dict) and isinstance(now, dict):
        changed = {
            key: follow(inputs.get(key), before.get(key), now[key])
            for key in now
            if now[key] != before.get(key)
        }
        kept = {k: v for k, v in inputs.items() if k in now or k not in before}
        return {**kept, **changed}
    return now
