"""What is made once and kept: each thing lies under a name that tells what it was made from."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.made_once import made_once

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 3
"""So many of each kind stay: those that were used last."""


def folder() -> Path:
    """Where everything is kept for this user."""
    return Path.home() / ".cache" / "ampere" / "ground"


def recipe(*parts: str | bytes | Path) -> str:
    """Return 16 hex digits that change with any of ``parts``; of a path, its content counts."""
    told = hashlib.sha256()
    for part in parts:
        raw = part.read_bytes() if isinstance(part, Path) else part
        raw = raw.encode() if isinstance(raw, str) else raw
        told.update(len(raw).to_bytes(8, "big") + raw)
    return told.hexdigest()[:16]


def kept(name: str, key: str, make: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    """Return the folder of ``name`` that was made from ``key``; ``make`` fills it if it is new.

    It appears whole or not at all, whoever else makes the same at the same time.
    """
    target = folder() / f"{name}-{key}"

    def make_readable(place: Path) -> None:
        place.chmod(0o755)
        make(place)

    made_once(target, folder() / f"{name}.lock", name, make_readable, say)
    target.touch()
    _tidy(name)
    return target


def _tidy(name: str) -> None:
    """Remove those of ``name`` that have not been asked for the longest."""
    pattern = f"{name}-{'[0-9a-f]' * 16}"
    found = sorted(folder().glob(pattern), key=lambda path: path.stat().st_mtime)
    for old in found[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
