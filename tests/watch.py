"""A look at what anyone on the machine could see of a run: processes, and temporary files."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
PAUSE_SECONDS = 0.05


class Watch(AbstractContextManager["Watch"]):
    """Reads ``/proc`` and the files below some folders, again and again and when it is told to."""

    def __init__(self, folders: Iterable[Path] = (), without: Iterable[Path] = ()) -> None:
        self.folders = tuple(folders)
        self.without = tuple(without)
        """What holds keys by its nature: each file whose path begins so."""
        self.arguments: set[bytes] = set()
        self.environments: set[bytes] = set()
        self.files: dict[str, bytes] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._thread.join()

    def saw(self, program: str) -> bool:
        """Whether a process of ``program`` was looked at."""
        return any(Path(a.split(b"\0")[0].decode()).name == program for a in self.arguments)

    def look(self) -> None:
        """Look at every process and every file there is now."""
        for process in PROC.iterdir():
            if process.name.isdigit():
                # It may have ended since, or be someone else's.
                with suppress(OSError):
                    self.arguments.add((process / "cmdline").read_bytes())
                    self.environments.add((process / "environ").read_bytes())
        for folder in self.folders:
            # Not rglob: that fails where a folder goes meanwhile.
            for parent, _, names in os.walk(folder):
                for name in names:
                    self._read(Path(parent, name))

    def _read(self, file: Path) -> None:
        if any(str(file).startswith(str(place)) for place in self.without):
            return
        with suppress(OSError):
            if file.is_file():
                content, before = file.read_bytes(), self.files.get(str(file), b"")
                if content not in before:
                    self.files[str(file)] = before + b"\n" + content

    def _run(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            self.look()
