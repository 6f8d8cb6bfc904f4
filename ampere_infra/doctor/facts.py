"""What the probe prints about a host: a key and its values on a line, with tabs between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BEGIN, END, STEP = "ampere", "end", "step"
"""What the probe prints first, last, and before what may take seconds."""
LONGEST = 500
MOST_LINES = 2000


@dataclass(frozen=True)
class Facts:
    """Everything that is known about a host; what is not there could not be found out."""

    lines: tuple[tuple[str, ...], ...] = ()

    def all(self, key: str) -> Iterator[tuple[str, ...]]:
        """Yield the values of each line of ``key``."""
        return (line[1:] for line in self.lines if line[0] == key)

    def values(self, key: str, count: int = 1) -> tuple[str, ...]:
        """Return the first line of ``key``, with ``count`` values; those not told are empty."""
        found = next(self.all(key), ())
        return (found + ("",) * count)[:count]

    def value(self, key: str) -> str:
        """Return the first value of ``key``, empty where it is not told."""
        return self.values(key)[0]

    def number(self, key: str, place: int = 0) -> int | None:
        """Return a value of the first line of ``key`` that is a number."""
        return number_of(self.values(key, place + 1)[place])

    def named(self, key: str, name: str) -> tuple[str, ...] | None:
        """Return what follows ``name`` on the line of ``key`` that begins with it."""
        return next((values[1:] for values in self.all(key) if values[:1] == (name,)), None)

    @property
    def whole(self) -> bool:
        """Whether the probe came to its end."""
        return any(line[0] == END for line in self.lines)


def number_of(text: str) -> int | None:
    """Return the number that ``text`` is, if it is one."""
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def facts_of(lines: Iterable[str]) -> Facts:
    """Return the facts in ``lines``; what a login prints before the probe begins is none."""
    found: list[tuple[str, ...]] = []
    for line in lines:
        fields = tuple(plain(field) for field in line.rstrip("\r\n").split("\t"))
        if (found or fields[0] == BEGIN) and len(found) < MOST_LINES:
            found.append(fields)
    return Facts(tuple(found))


def plain(text: str) -> str:
    """Return ``text`` without what a terminal would obey, and not too long."""
    return "".join(c for c in text if c.isprintable()).strip()[:LONGEST]
