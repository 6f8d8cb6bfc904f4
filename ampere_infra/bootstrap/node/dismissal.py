"""A worker leaves: drained, its node and token removed, one worker at a time."""

from __future__ import annotations

import fcntl
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .cluster import PAUSE, Node, kubectl, nodes, remove_token
from .core import Failed, at, private_folder, say
from .members import ROSTER, record

if TYPE_CHECKING:
    from collections.abc import Generator


def dismiss(worker: str, seconds: str) -> None:
    """Drain and remove ``worker``; without a node of it, only its admission ends.

    A ready worker waits until every other worker of the roster is ready, so that replacing all of
    them never takes away two at once. One that is not ready takes nothing away.

    Raises:
        Failed: nothing has changed for ``seconds`` while others were not ready, or pods stay.
    """
    node = nodes().get(worker)
    if node and node.ready:
        with turn(worker, int(seconds)):
            remove(worker, "--timeout=600s")
    elif node:
        remove(worker, "--timeout=120s", "--skip-wait-for-delete-timeout=30")
    forget(worker)


@contextmanager
def turn(worker: str, seconds: int) -> Generator[None, None, None]:
    """Hold the only lock while every other worker is ready.

    Raises:
        Failed: for ``seconds`` the same workers were missing.
    """
    with (private_folder("/run/ampere") / "dismiss.lock").open("w") as lock:
        waited, before = 0, ["nobody"]
        while waited <= seconds:
            fcntl.flock(lock, fcntl.LOCK_EX)
            missing = not_ready(worker)
            if not missing:
                yield
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
            waited = waited + PAUSE if missing == before else 0
            before = missing
            say(f"{worker} leaves when these are ready: {', '.join(missing)} ({waited} s)")
            time.sleep(PAUSE)
    raise Failed(f"{worker} stays: for {seconds} s these were not ready: {', '.join(before)}")


def not_ready(worker: str) -> list[str]:
    """Return the other workers of the roster that are not registered and ready."""
    roster = at(ROSTER)
    names = roster.read_text(encoding="utf-8").split() if roster.exists() else []
    there = nodes()
    absent = Node(created=0, ready=False)
    return [name for name in names if name != worker and not there.get(name, absent).ready]


def remove(worker: str, *options: str) -> None:
    """Drain and delete the node."""
    say(f"draining {worker}")
    kubectl("drain", worker, "--ignore-daemonsets", "--delete-emptydir-data", "--force", *options)
    kubectl("delete", "node", worker, "--ignore-not-found")


def forget(worker: str) -> None:
    """End the worker's admission."""
    path = record(worker)
    if path.exists():
        remove_token(json.loads(path.read_text(encoding="utf-8"))["id"])
        path.unlink()
    say(f"{worker} is no member any more")
