"""Operations that need nothing of each other, and that fail at the same time."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ampere_infra.rehearsal import keeping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE = 10
"""Seconds that the first of them waits for the last; then those that came fail without it."""


class Together:
    """Lets a number of operations fail when all of them are under way.

    The engine begins nothing more once one has failed, so one after another they would not.
    """

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)

    def wait(self, *_: object) -> None:
        """Wait for the others."""
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(PATIENCE)


def levels(checkpoint: Path) -> dict[str, int]:
    """Return how far each resource of a state is from what needs nothing, by the longest way.

    So two of one distance never need each other. The engine makes what has all it needs, and
    deletes one distance after the other, the furthest first
    (pulumi/pkg/resource/deploy/step_generator.go, ScheduleDeletes; which resources need which is in
    pulumi/pkg/resource/graph/dependency_graph.go, DependenciesOf).
    """
    latest = json.loads(checkpoint.read_text(encoding="utf-8"))["checkpoint"]["latest"]
    resources: dict[str, Mapping[str, Any]] = {r["urn"]: r for r in latest["resources"]}
    found: dict[str, int] = {}
    inside: dict[str, set[str]] = {urn: set() for urn in resources}
    for urn, resource in resources.items():
        wanted = _wanted(resource)
        components = [one for one in wanted if one in inside and not resources[one]["custom"]]
        behind = wanted.union(*(inside[one] for one in components if one != resource.get("parent")))
        # What is needed stands before what needs it.
        found[urn] = 1 + max((found.get(one, 0) for one in behind), default=0)
        owner = resource.get("parent")
        while owner:
            inside[owner].add(urn)
            owner = resources[owner].get("parent")
    return found


def _wanted(resource: Mapping[str, Any]) -> set[str]:
    others = {resource.get("deletedWith") or "", *(resource.get("replaceWith") or ())}
    return keeping.needs(resource) | (others - {""})
