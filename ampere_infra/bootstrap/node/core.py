"""What every command needs: the node's facts, files that survive a power cut, and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("AMPERE_ROOT", "/"))
"""Tests put it elsewhere; sudo and systemd pass no such variable on."""


BLOCKED = "/run/ampere/blocked"
"""One file for each command that waits for a person; whoever waits for a marker reads them."""


class Failed(Exception):  # noqa: N818 - it is a verdict; the unit that failed is tried again
    """The command cannot go on; systemd tries it again later."""


class Blocked(Failed):
    """Trying again will not help before a person has changed something."""


def at(path: str) -> Path:
    """Return the absolute ``path`` below the root."""
    return ROOT / path.lstrip("/")


def say(message: str) -> None:
    """Write one line of progress: to the journal, or over SSH to whoever waits."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def facts() -> dict[str, Any]:
    """Return this node's public facts, which cloud-init wrote."""
    return json.loads(at("/etc/ampere/node.json").read_text(encoding="utf-8"))


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, text: str, mode: int = 0o644, instead_of: Path | None = None) -> None:
    """Write ``text`` so that a power cut leaves the old file or the new one, never a part.

    The file ``instead_of`` goes in the moment in which the new one comes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    if instead_of:
        instead_of.unlink(missing_ok=True)
    sync_folder(path.parent)


def private_folder(path: str) -> Path:
    """Return the folder ``path``, readable by root alone."""
    folder = at(path)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def marked(marker: str) -> bool:
    """Return whether ``marker`` was earned."""
    return at(f"/var/lib/ampere/{marker}").exists()


def mark(marker: str, instead_of: Path | None = None) -> None:
    """Earn ``marker`` now, and be rid of what its stage needed no longer than until then.

    Whatever was done before is on the disk first.
    """
    os.sync()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write(at(f"/var/lib/ampere/{marker}"), f"{now}\n", instead_of=instead_of)
    say(f"{marker} at {now}")


def unmark(marker: str) -> None:
    """Take ``marker`` back: its stage is to be done again."""
    at(f"/var/lib/ampere/{marker}").unlink(missing_ok=True)


def room(path: str, mebibytes: int) -> None:
    """Make sure that the file system of ``path``, which need not exist, has so much room left.

    Raises:
        Blocked: it has not.
    """
    folder = at(path)
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    left = found.f_bavail * found.f_frsize >> 20
    if left < mebibytes:
        raise Blocked(
            f"the disk is full: {path} has {left} MiB left, {mebibytes} MiB are needed; "
            "make room there, or make the disk larger"
        )


def run(*command: str, stdin: str | None = None, timeout: float | None = None) -> None:
    """Run ``command`` with its output in the journal.

    Raises:
        Failed: it ended with an error, or took longer than ``timeout`` seconds.
    """
    try:
        done = subprocess.run(command, input=stdin, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command[:3])} ended with status {done.returncode}")


def ask(*command: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Run ``command`` and return its status, output and error text."""
    try:
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr
