"""Running the probe on the host, directly or over SSH, within a limit of time."""

from __future__ import annotations

import queue
import re
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ampere_infra.doctor.facts import BEGIN, END, MOST_LINES, STEP, Facts, facts_of, plain
from ampere_infra.processes import end

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Address
    from pathlib import Path
    from typing import IO

TOTAL_SECONDS: Final = 180.0
"""Everything on the host together; each thing that it is asked has its own, shorter limit."""
ENDING_SECONDS: Final = 5.0
LONGEST_LINE: Final = 65536


@dataclass(frozen=True)
class Answer:
    """What came of running the probe."""

    facts: Facts
    status: int | None
    """The exit status; None where it took too long."""
    complaint: str
    """The last that was said on stderr."""

    @property
    def reached(self) -> bool:
        """Whether the probe ran at all."""
        return bool(self.facts.lines)


def is_here(address: IPv4Address) -> bool:
    """Whether ``address`` is one of this machine's own: only then can a socket have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
        try:
            attempt.bind((str(address), 0))
        except OSError:
            return False
        return True


def run_probe(
    words: Sequence[str], script: str, folder: Path, say: Callable[[str], None]
) -> Answer:
    """Feed ``script`` to the shell that ``words`` start, in ``folder``.

    ``say`` is told what takes seconds.
    """
    program = shutil.which(words[0])
    if program is None:
        return Answer(Facts(), None, f"there is no {words[0]} on PATH")
    with subprocess.Popen(
        [program, *words[1:]],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            return _conversation(process, script, say)
        finally:
            end(process)


def _conversation(
    process: subprocess.Popen[bytes], script: str, say: Callable[[str], None]
) -> Answer:
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - for the type
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    complaints: list[str] = []
    _in_background(_feed, process.stdin, script)
    _in_background(_read, process.stdout, lines.put, lines)
    told = _in_background(_read, process.stderr, complaints.append, None)
    found, ended = _listen(lines, time.monotonic() + TOTAL_SECONDS, say)
    status = _status(process) if ended else None
    told.join(ENDING_SECONDS if ended else 0)
    return Answer(facts_of(found), status, plain(complaints[-1]) if complaints else "")


def _listen(
    lines: queue.SimpleQueue[str | None], until: float, say: Callable[[str], None]
) -> tuple[list[str], bool]:
    """Return what was printed up to ``until``, and whether that was all."""
    found: list[str] = []
    while (left := until - time.monotonic()) > 0 and len(found) < MOST_LINES:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line is None:
            return found, True
        key, _, value = line.rstrip().partition("\t")
        if not found and key != BEGIN:
            continue
        found.append(line)
        if key == STEP:
            say(plain(value))
        elif key == "clock" and re.fullmatch(r"\d{1,12}", value, re.ASCII):
            # The host cuts its second off, half of one on average.
            found.append(f"apart\t{int(value) + 0.5 - time.time():.1f}")
        elif key == END:
            return found, True
    return found, False


def _status(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _in_background(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _feed(stdin: IO[bytes], script: str) -> None:
    try:
        with stdin:
            stdin.write(script.encode())
    except OSError:
        return


def _read(
    stream: IO[bytes],
    take: Callable[[str], None],
    ended: queue.SimpleQueue[str | None] | None,
) -> None:
    try:
        while line := stream.readline(LONGEST_LINE):
            take(line.decode(errors="replace"))
    except (OSError, ValueError):
        pass
    finally:
        if ended is not None:
            ended.put(None)
