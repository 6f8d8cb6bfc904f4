"""Drills spread over the machine's processors, a process each."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from drill import Drill

RUNS = {"up": "created", "destroy": "deleted"}
COMMANDS = ("-base-image", "-pki", "-membership", "-http")


@dataclass(frozen=True)
class Trial:
    """One disturbed operation and what was still wrong after it was healed."""

    run: str
    urn: str
    problems: tuple[str, ...]
    seconds: float
    refreshed: bool
    """Whether it took a run with ``--refresh`` to heal."""
    imported: int
    """How many resources had to be imported for it."""

    def __str__(self) -> str:
        return f"{self.run} {self.urn}: {'; '.join(self.problems)}"


def failures(**drill: Any) -> list[Trial]:
    """Let each operation of an up and of a destroy fail, one at a time.

    ``drill`` says of which stack and how, if it is not ``home``.
    """
    return _spread("fail", drill)


def samples(**drill: Any) -> list[Trial]:
    """Let one operation of each kind of an up and of a destroy fail."""
    return _spread("sample", drill)


def kills(**drill: Any) -> list[Trial]:
    """Kill the engine at one operation of each kind of an up and of a destroy."""
    return _spread("kill", drill)


def _spread(how: str, drill: dict[str, Any]) -> list[Trial]:
    count = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        shares = pool.map(_share, range(count), *([each] * count for each in (count, how, drill)))
        return [trial for share in shares for trial in share]


def _share(index: int, count: int, how: str, options: dict[str, Any]) -> list[Trial]:
    with Drill(checkpoints=how == "kill", **options) as drill:
        drill.measure()
        pick = (lambda urns: urns) if how == "fail" else _one_of_each_kind
        points = [
            (run, urn)
            for run, operations in RUNS.items()
            for urn in pick([o.urn for o in getattr(drill, operations)])
        ]
        points.sort()
        return [_trial(drill, how, run, urn) for run, urn in points[index::count]]


def _trial(drill: Drill, how: str, run: str, urn: str) -> Trial:
    began = time.monotonic()
    problems = drill.kill(run, urn) if how == "kill" else drill.fail(run, urn)
    return Trial(
        run, urn, tuple(problems), time.monotonic() - began, drill.refreshed, drill.imported
    )


def _one_of_each_kind(urns: list[str]) -> list[str]:
    """Of resources of one type take one, and of commands those that are each a case of its own."""
    chosen: dict[str, str] = {}
    for urn in sorted(urns):
        kind, name = urn.split("::")[2].rpartition("$")[2], urn.rpartition("::")[2]
        if kind == "command:remote:Command":
            kind = next((end for end in COMMANDS if name.endswith(end)), "")
        if kind:
            chosen[kind] = urn
    return list(chosen.values())
