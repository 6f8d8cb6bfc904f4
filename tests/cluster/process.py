"""One program of the control plane, started and ended as often as a test likes.

In between it is started again whenever it ends by itself, as kubelet does with a static pod: the
controller manager ends itself when it loses its lease or meets no API server while it starts.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_PAUSE = 0.1
_WITH_US = ("setpriv", "--pdeathsig=KILL")
"""It ends with the process that started it, however that ends."""


class ClusterError(Exception):
    """The cluster does not come up; the text says which part, and the end of what it said."""


@dataclass
class Process:
    """A program with its flags; what it says goes to ``log``."""

    name: str
    program: Path
    flags: Mapping[str, str]
    log: Path
    answers: Callable[[], bool]
    """Tells whether it does its work."""
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    """As it runs now; None from its end on that a test asked for."""
    _words: list[str] = field(default_factory=list, repr=False)
    _change: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def start(self, **changes: str) -> None:
        """Start it, with flags changed for this time: ``etcd_servers="https://..."``."""
        assert self.running is None, f"{self.name} runs already"
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        self._words = [f"--{name}={value}" for name, value in {**self.flags, **changed}.items()]
        self.running = self._spawn()

    def await_answer(self) -> None:
        """Return once it does its work; from then on it is started again when it ends.

        Raises:
            ClusterError: it ended, or has not answered for too long.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.running is None or self.running.poll() is not None:
                raise ClusterError(f"{self.name} ended by itself\n{self.said}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{self.name} does not answer\n{self.said}")
            time.sleep(_PAUSE)
        threading.Thread(target=self._supervise, args=[self.running], daemon=True).start()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    @property
    def said(self) -> str:
        """The last lines of what it said."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-15:])

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_WITH_US, self.program, *self._words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _supervise(self, running: subprocess.Popen[bytes]) -> None:
        while True:
            running.wait()
            time.sleep(_PAUSE)
            with self._change:
                if self.running is not running:
                    return
                self.running = running = self._spawn()

    def _end(self, how: signal.Signals) -> None:
        with self._change:
            running, self.running = self.running, None
        if running is None:
            return
        running.send_signal(how)
        try:
            running.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def together(processes: Sequence[Process]) -> None:
    """Start programs that do not wait for each other, and return once all of them answer."""
    for process in processes:
        process.start()
    for process in processes:
        process.await_answer()
