"""Ending a program of somebody else's with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def end(process: subprocess.Popen[bytes]) -> None:
    """End ``process``, which was started in a session of its own, with all that it started."""
    if sys.platform == "win32":
        taskkill = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "taskkill.exe"
        ended = [str(taskkill), "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(ended, capture_output=True, check=False)
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
