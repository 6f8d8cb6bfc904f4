"""Programs that act on a real host, watched while they run and ended when the engine stops."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from ampere_infra.processes import end
from ampere_infra.rehearsal.reality import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ampere_infra.rehearsal.reality import Reality

    OnLine = Callable[[str, str], None]


class CancelledError(Exception):
    """The engine stops; nothing more is to be done."""


@dataclass(frozen=True)
class Finished:
    """What a program came to."""

    code: int
    lines: tuple[tuple[str, str], ...]
    """Each line as it came, after the name of its stream."""

    @property
    def stdout(self) -> str:
        """What it printed."""
        return "".join(line for stream, line in self.lines if stream == "stdout")

    @property
    def stderr(self) -> str:
        """What it complained of."""
        return "".join(line for stream, line in self.lines if stream == "stderr")

    @property
    def both(self) -> str:
        """All that it said."""
        return "".join(line for _, line in self.lines)


@dataclass
class Programs:
    """Runs programs on the host's side; safe to use from several threads."""

    reality: Reality
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set["subprocess.Popen[bytes]"])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        *words: str,
        stdin: str | IO[bytes] = "",
        on_line: OnLine | None = None,
    ) -> Finished:
        """Run a program to its end, and end what it started and left behind.

        ``on_line`` hears each line, and of which stream it is.

        Raises:
            CancelledError: it was not begun, or ended, because the engine stops.
        """
        is_text = isinstance(stdin, str)
        source: int | IO[bytes] = subprocess.PIPE if is_text else stdin
        with self._started(words, source) as process:
            lines: list[tuple[str, str]] = []
            readers = [
                threading.Thread(target=_collect, args=(process, name, lines, on_line))
                for name in ("stdout", "stderr")
            ]
            for reader in readers:
                reader.start()
            if is_text:
                _feed(process, stdin)
            code = process.wait()
            # Whatever it leaves behind would hold its streams: ssh's own way through a host does.
            end(process)
            for reader in readers:
                reader.join()
        if self._cancelled.is_set():
            raise CancelledError
        return Finished(code, tuple(lines))

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            CancelledError: the engine stops meanwhile.
        """
        if self._cancelled.wait(seconds):
            raise CancelledError

    def cancel(self) -> None:
        """End what runs, and begin nothing until ``resume``."""
        with self._lock:
            self._cancelled.set()
            for process in self._running:
                end(process)

    def resume(self) -> None:
        """Take orders again: another engine has come."""
        self._cancelled.clear()

    @contextmanager
    def _started(
        self, words: Sequence[str], stdin: int | IO[bytes]
    ) -> Generator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._cancelled.is_set():
                raise CancelledError
            process = subprocess.Popen(
                self.reality.words(*words),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
                start_new_session=True,
            )
            self._running.add(process)
        try:
            with process:
                yield process
        finally:
            with self._lock:
                self._running.discard(process)


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except BrokenPipeError:
        # It ended without reading all of it; its exit status tells why.
        return


def _collect(
    process: subprocess.Popen[bytes],
    stream: str,
    lines: list[tuple[str, str]],
    on_line: OnLine | None,
) -> None:
    pipe: IO[bytes] = getattr(process, stream)
    for raw in pipe:
        line = raw.decode(errors="replace")
        lines.append((stream, line))
        if on_line is not None:
            on_line(stream, line.rstrip("\n"))
