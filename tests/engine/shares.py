"""Drills spread over the machine's processors, a process each."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from drill import Drill

EVERY = bool(os.environ.get("AMPERE_EVERY_OPERATION"))
"""Whether each operation fails alone and each one is killed at, which takes hours."""
TOGETHER = 1 if EVERY else 6
"""So many operations at most fail at a time: some of a level fail while others succeed."""
CLOUDS = ("azure-native:", "hcloud:")
RUNS = {"up": "created", "destroy": "deleted"}
_NODE = re.compile(r"(ampere-k8s-(master|node\d+)|ampere-api)-")


@dataclass(frozen=True)
class Trial:
    """Operations disturbed at the same time, and what was still wrong after it was healed."""

    how: str
    """``refused``, ``lost`` (done, but the answer did not come) or ``killed`` (the engine)."""
    run: str
    urns: tuple[str, ...]
    problems: tuple[str, ...]
    seconds: float
    refreshed: bool
    """Whether it took a run with ``--refresh`` to heal."""
    imported: int
    """How many resources had to be imported for it."""

    def __str__(self) -> str:
        return f"{self.how}, {self.run} {', '.join(self.urns)}: {'; '.join(self.problems)}"


@dataclass(frozen=True)
class Point:
    """What one trial disturbs."""

    how: str
    run: str
    urns: tuple[str, ...]


def trials(*hows: str, among: str = "", **drill: Any) -> list[Trial]:
    """Disturb an up and a destroy in each of the ways ``hows`` and heal them by running again.

    Every operation is refused once, together with some that need nothing of it; of every operation
    in a cloud the answer is lost; the engine is killed at one operation of each kind. With
    ``AMPERE_EVERY_OPERATION`` it is each by itself. ``among`` is a pattern of the names to keep to;
    ``drill`` says of which stack, if it is not ``home``.
    """
    count = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        same = (count, hows, among, drill)
        shares = pool.map(_share, range(count), *([each] * count for each in same))
        return [trial for share in shares for trial in share]


def operations(tried: list[Trial]) -> int:
    """Return how many operations were disturbed."""
    return sum(len(trial.urns) for trial in tried)


def told(what: str, tried: list[Trial]) -> str:
    """Return a line that says what was tried and what it took."""
    right = sum(not trial.problems for trial in tried)
    refreshed = sum(trial.refreshed for trial in tried)
    imported = sum(trial.imported for trial in tried)
    spent = sum(trial.seconds for trial in tried)
    return (
        f"\n{what}: {operations(tried)} operations, {right} of {len(tried)} trials, "
        f"{refreshed} by --refresh, {imported} imported, {spent:.0f} s of work"
    )


def _share(
    index: int, count: int, hows: tuple[str, ...], among: str, options: dict[str, Any]
) -> list[Trial]:
    with Drill(**options) as drill:
        pick = partial(_one_of_each_kind, among)
        drill.measure(pick if "killed" in hows else None)
        points = [p for how in hows for run in RUNS for p in _points(drill, how, run, among)]
        return [trial for point in points[index::count] for trial in _tried(drill, point)]


def _points(drill: Drill, how: str, run: str, among: str) -> list[Point]:
    urns = sorted(_among(among, [o.urn for o in getattr(drill, RUNS[run])]))
    if how == "killed":
        return [Point(how, run, (urn,)) for urn in _one_of_each_kind(among, urns)]
    if how == "lost":
        urns = [urn for urn in urns if _kind(urn).startswith(CLOUDS)]

    def level(urn: str) -> tuple[bool, int]:
        return urn in drill.protected, drill.levels[urn]

    found: list[Point] = []
    for _, group in groupby(sorted(urns, key=level), level):
        level_urns = list(group)
        parts = -(-len(level_urns) // TOGETHER)
        found += [Point(how, run, tuple(level_urns[part::parts])) for part in range(parts)]
    return found


def _among(pattern: str, urns: list[str]) -> list[str]:
    return [urn for urn in urns if re.search(pattern, urn.rpartition("::")[2])]


def _tried(drill: Drill, point: Point) -> list[Trial]:
    """Try ``point``; each operation by itself where it went wrong, or that was not reached."""
    trial = _trial(drill, point)
    alone = point.urns if trial.problems else tuple({*point.urns} - {*drill.failed})
    if point.how == "killed" or len(point.urns) == 1 or not alone:
        return [trial]
    singles = [_trial(drill, Point(point.how, point.run, (urn,))) for urn in sorted(alone)]
    return singles if trial.problems else [trial, *singles]


def _trial(drill: Drill, point: Point) -> Trial:
    began = time.monotonic()
    drill.loses_answers = point.how == "lost"
    urns = point.urns
    if point.how == "killed":
        problems = drill.kill(point.run, urns[0])
    else:
        problems = drill.fail(point.run, urns)
        urns = tuple(sorted(drill.failed)) or urns
    seconds = time.monotonic() - began
    return Trial(
        *(point.how, point.run, urns, tuple(problems), seconds),
        *(drill.refreshed, drill.imported),
    )


def _one_of_each_kind(among: str, urns: list[str]) -> list[str]:
    """Of each resource type take one, of commands one of each that nodes have, and all others."""
    found = sorted(_among(among, urns))
    return found if EVERY else list({_kind(urn): urn for urn in found}.values())


def _kind(urn: str) -> str:
    kind, name = urn.split("::")[2].rpartition("$")[2], urn.rpartition("::")[2]
    return f"{kind} {_NODE.sub('', name)}" if kind == "command:remote:Command" else kind
