"""Ctrl-C in the middle: the engine ends what it began, nothing stays behind, and it is said."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from drill import HOME, fast_folder

PROGRAM = """
import sys
from pathlib import Path
from ampere_infra.rehearsal.run import rehearse
sys.exit(rehearse("home", Path(sys.argv[1]), Path(sys.argv[2])))
"""


def running_in(folder: Path) -> list[str]:
    """Name the processes that work below ``folder``."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = str((process / "cwd").readlink())
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if place.startswith(str(folder)):
            found.append(command)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rehearsal_stops_and_leaves_no_process(number: signal.Signals):
    folder = fast_folder()
    command = [sys.executable, "-c", PROGRAM, str(HOME), str(folder / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("up:"):
                process.send_signal(number)
        code = process.wait(60)
    said = "\n".join(lines)
    left = running_in(folder)
    shutil.rmtree(folder)
    assert code == 130, said
    assert "stopping after the operations at hand" in said
    assert "run it again" in lines[-1], "the last line says what to do"
    assert "Traceback" not in said
    assert left == [], "no process may outlive the rehearsal"
