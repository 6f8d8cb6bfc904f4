"""What is made once and kept: each thing lies under a name that tells what it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

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
    folder().mkdir(parents=True, exist_ok=True)
    with _locked(folder() / f"{name}.lock", name, say):
        if not target.is_dir():
            _make_into(target, name, make)
        target.touch()
        _tidy(name)
    return target


def _make_into(target: Path, name: str, make: Callable[[Path], None]) -> None:
    for leftover in folder().glob(f".{name}-*"):
        shutil.rmtree(leftover)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder()))
    temporary.chmod(0o755)
    try:
        make(temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _tidy(name: str) -> None:
    """Remove those of ``name`` that have not been asked for the longest."""
    pattern = f"{name}-{'[0-9a-f]' * 16}"
    found = sorted(folder().glob(pattern), key=lambda path: path.stat().st_mtime)
    for old in found[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(path: Path, name: str, say: Callable[[str], None]) -> Generator[None]:
    """Hold ``path`` for this process alone; the system lets go of it when the process ends."""
    with path.open("a") as file:
        waited = 0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if waited % 10 == 0:
                    say(f"waiting for another process that makes {name}")
                time.sleep(1)
                waited += 1
            else:
                break
        yield
