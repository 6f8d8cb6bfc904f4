"""A server of a test's own on loopback: started, waited for, and ended for certain."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

_ALONE = ("setpriv", "--pdeathsig=TERM")
"""It ends with the process that started it, however that ends."""


@dataclass
class Server:
    """A program that serves until it is told to end; what it says goes to ``log``."""

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    user: str | None = None
    """Another user to run it as, if this one is root."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @contextmanager
    def running(self, answers: Callable[[], Any]) -> Generator[Server]:
        """Run it for as long as the context lasts; it ``answers`` when that begins."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_ALONE, *self.command],
                env={"PATH": os.environ["PATH"], **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
            )
        try:
            await_true(lambda: self._alive() and answers(), f"{self.name} answers", said=self.said)
            yield self
        finally:
            self._end()

    def said(self) -> str:
        """Return the end of what it said."""
        return self.log.read_text(errors="replace")[-3000:]

    def _alive(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended by itself\n{self.said()}"
        return True

    def _end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
