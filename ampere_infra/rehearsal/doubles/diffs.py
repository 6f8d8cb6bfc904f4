"""What changed between what is there and what is wanted, and which changes need a replacement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ampere_infra.rehearsal.doubles.values import Unknown, Value

Touches = Callable[[str], bool]
"""Tells of a path without indices, such as ``disks[].scsi``, whether a rule is about it."""


@dataclass(frozen=True)
class Change:
    """One property that differs; ``path`` is as the engine shows it."""

    path: str
    kind: str
    """``ADD``, ``UPDATE`` or ``DELETE``."""
    counts: bool = False
    """It says only that a list has another length, or that an object came or went."""
    alone: bool = False
    """It stands inside of what is on one side only."""

    @property
    def around(self) -> str:
        """The pattern of the list or object that the property stands in."""
        return re.sub(r"(\[\])?\.[^.\[\]]+$", "", self.pattern)

    @property
    def pattern(self) -> str:
        """The path with its indices taken out."""
        return re.sub(r"\[\d+\]", "[]", self.path)

    @property
    def top(self) -> str:
        """The property that the path begins with."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


@dataclass(frozen=True)
class Difference:
    """The answer to a Diff."""

    changes: tuple[Change, ...] = ()
    replacing: frozenset[str] = frozenset()
    """The paths among ``changes`` that need a replacement."""
    delete_first: bool = False
    """Whether the old one must go before the new one comes."""
    extra: Mapping[str, Value] = field(default_factory=dict[str, Value])


def changes(old: Value, new: Value, path: str = "", *, skip: Touches) -> Iterator[Change]:
    """Yield what makes ``new`` another value than ``old``.

    ``skip`` names the properties that the provider computes: leaving them out is no change.
    """
    if isinstance(new, Unknown):
        yield Change(path, "ADD" if _is_missing(old) else "UPDATE")
    elif _is_empty(old) and _is_empty(new):
        return
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _object_changes(old, new, path, skip)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_changes(old, new, path, skip)
    elif isinstance(old, dict | list) and _is_missing(new):
        yield Change(path, "UPDATE", counts=True)
        yield from _alone(old, path, "DELETE", skip)
    elif isinstance(new, dict | list) and _is_missing(old):
        yield Change(path, "UPDATE", counts=True)
        yield from _alone(new, path, "ADD", skip)
    elif _is_missing(old) or _is_missing(new):
        yield Change(path, "ADD" if _is_missing(old) else "DELETE")
    elif old != new and str(old) != str(new):
        yield Change(path, "UPDATE")


def _object_changes(
    old: dict[str, Value], new: dict[str, Value], path: str, skip: Touches
) -> Iterator[Change]:
    prefix = f"{path}." if path else ""
    for key in dict.fromkeys((*old, *new)):
        inside = prefix + key
        if key.startswith("__"):
            continue
        if new.get(key) is None and skip(Change(inside, "").pattern):
            continue
        yield from changes(old.get(key), new.get(key), inside, skip=skip)


def _list_changes(old: list[Value], new: list[Value], path: str, skip: Touches) -> Iterator[Change]:
    shared = min(len(old), len(new))
    if len(old) != len(new):
        yield Change(path, "UPDATE", counts=True)
    for index in range(shared):
        yield from changes(old[index], new[index], f"{path}[{index}]", skip=skip)
    for index in range(shared, max(len(old), len(new))):
        side, kind = (old, "DELETE") if index < len(old) else (new, "ADD")
        yield from _alone(side[index], f"{path}[{index}]", kind, skip)


def _alone(value: Value, path: str, kind: str, skip: Touches) -> Iterator[Change]:
    """Yield every property of what is on one side only."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("__") and not (kind == "DELETE" and _is_empty(item)):
                yield from _alone(item, f"{path}.{key}", kind, skip)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _alone(item, f"{path}[{index}]", kind, skip)
    elif value is not None and not (kind == "DELETE" and skip(Change(path, "").pattern)):
        yield Change(path, kind, alone=True)


def _is_missing(value: Value) -> bool:
    return value is None or value in ("", [], {})


def _is_empty(value: Value) -> bool:
    """Tell whether ``value`` is what a provider takes for not given."""
    return value is None or value is False or value in ("", 0) or value in ([], {})


def shaped_like(inputs: Value, outputs: Value) -> Value:
    """Return of ``outputs`` what ``inputs`` speaks of: what a refresh makes of the inputs."""
    if isinstance(inputs, dict) and isinstance(outputs, dict):
        return {
            key: shaped_like(value, outputs[key])
            for key, value in inputs.items()
            if outputs.get(key) is not None
        }
    if isinstance(inputs, list) and isinstance(outputs, list) and len(inputs) == len(outputs):
        return [shaped_like(*pair) for pair in zip(inputs, outputs, strict=True)]
    return outputs
