"""Mistakes in the settings: where, what stands there, and what would be right."""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_AT_MOST = 80
_LISTED_AT_MOST = 100
_SECRETIVE = re.compile(
    r"passw|secret|token|credential|private|(?:api|access|auth).?key", re.IGNORECASE
)

Location = tuple[int | str, ...]


@dataclass(frozen=True)
class Mistake:
    """One mistake, as a person finds it in the file."""

    path: str
    """Where it is, such as ``ampere:workers.machines[1].address``."""
    value: str
    """What stands there, shortened; empty where nothing does."""
    remedy: str
    """What is wrong with it and what would be right."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.value, self.remedy) if part)


class SettingsError(Exception):
    """Settings that nothing can be planned from, with every mistake that was found."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        lines = [str(mistake) for mistake in self.mistakes[:_LISTED_AT_MOST]]
        if (more := len(self.mistakes) - len(lines)) > 0:
            lines.append(f"and {more} more")
        return "\n".join(lines)


class _Hidden:
    """Stands where a secret may be."""

    def __repr__(self) -> str:
        return "***"


class _Short(reprlib.Repr):
    """Representations of any value, however large, in bounded time."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 2, 3, 4, 4
        self.maxstring = self.maxother = self.maxlong = 60

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(re.sub(r"//[^/@\s]*@", "//***@", x[:1000]), level)

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        return super().repr_dict({k: _Hidden() if secretive(k) else x[k] for k in x}, level)

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 8 * self.maxlong:
            return f"<a number of about {x.bit_length() * 3 // 10} digits>"
        return super().repr_int(x, level)


def shown(value: object) -> str:
    """Return ``value`` for a message: short, in ASCII, without control characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = _Short().repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_AT_MOST else f"{text[: _SHOWN_AT_MOST - 3]}..."


def spelled(value: object) -> str:
    """Return a parsed value, such as an address, as the text that a person wrote."""
    return shown(value) if type(value) is int else shown(str(value))


def secretive(name: object) -> bool:
    """Whether a value below ``name`` may be a secret, which no message shows."""
    return _SECRETIVE.search(str(name)) is not None


def path_of(location: Location) -> str:
    """Return the path of ``location`` as it is read in the stack file."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]{1,60}", part):
            path += f".{part}" if path else f"ampere:{part}"
        else:
            path += f"[{shown(part)}]" if path else f"ampere:{shown(part)}"
    return path
