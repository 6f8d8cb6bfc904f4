"""Folders that are made once and kept: whole or not there, whoever else makes the same."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

REPORT_SECONDS = 5


def made_once(
    target: Path,
    lock: Path,
    what: str,
    make: Callable[[Path], None],
    report: Callable[[str], None],
) -> Path:
    """Return ``target``; where it is not there yet, ``make`` fills a folder that becomes it.

    What a maker that was killed has left beside it is removed first.

    Args:
        target: the folder.
        lock: a file that one process at a time holds while it looks and makes.
        what: what is made, for whoever waits for another process.
        make: is given an empty folder on the same file system.
        report: is told that somebody else makes it, every few seconds.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(lock, what, report):
        if not target.is_dir():
            _make(target, make)
    return target


def _make(target: Path, make: Callable[[Path], None]) -> None:
    for leftover in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _locked(path: Path, what: str, report: Callable[[str], None]) -> Generator[None]:
    """Hold ``path`` for this process alone; the system lets go of it when the process ends."""
    with path.open("a+b") as file:
        waited = 0
        while not _try_lock(file.fileno()):
            if waited % REPORT_SECONDS == 0:
                report(f"waiting for another process that makes {what}")
            time.sleep(1)
            waited += 1
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
