"""Running the programs that make things, with a line now and then about those that take long."""

from __future__ import annotations

import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

REPORT_SECONDS = 10.0


class GroundError(Exception):
    """Something could not be made; the text says what, and what was said about it."""


def run(
    *words: str | Path,
    say: Callable[[str], None] | None = None,
    doing: str = "",
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        words: The program and its arguments.
        say: Is told every ten seconds that ``doing`` goes on, and at its end how long it took.
        doing: What the program does, for people.
        stdin: What it reads.
        environment: All of its environment.
        folder: Where it runs.

    Raises:
        GroundError: It failed, or is not there.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(stdin)
        given.seek(0)
        command = [str(word) for word in words]
        try:
            process = subprocess.Popen(
                command,
                stdin=given,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
            )
        except FileNotFoundError as error:
            raise GroundError(f"there is no {command[0]} to run here") from error
        status = _awaited(process, say, doing)
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    if status != 0:
        raise GroundError(f"{' '.join(command[:6])} failed ({status}):\n{text[-3000:]}")
    return text


def _awaited(
    process: subprocess.Popen[bytes], say: Callable[[str], None] | None, doing: str
) -> int:
    started = time.monotonic()
    try:
        while True:
            try:
                process.wait(REPORT_SECONDS)
            except subprocess.TimeoutExpired:
                if say:
                    say(f"{doing}: {time.monotonic() - started:.0f} s so far")
            else:
                break
    except BaseException:
        process.kill()
        process.wait()
        raise
    if say:
        say(f"{doing}: {time.monotonic() - started:.0f} s")
    return process.returncode
