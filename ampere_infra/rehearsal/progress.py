"""How far a run is, by the stages of the bootstrap protocol."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.events import name_of, type_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ampere_infra.rehearsal.events import Step

ORDER = (
    "machines",
    "OS",
    "Kubernetes",
    "platform",
    "workers",
    "services",
    "keys",
    "state",
    "access",
)
OS_READY = "-os-ready"
STAGES = {
    "ampere:machines:": "machines",
    "ampere:bootstrap:Worker": "workers",
    "ampere:bootstrap:": "Kubernetes",
    "ampere:platform:": "platform",
    "ampere:services:": "services",
    "ampere:foundation:KeyVault": "keys",
    "ampere:foundation:StateStore": "state",
    "ampere:foundation:": "access",
}
"""The stage of a component's children, by the beginning of its type; the first that fits."""


def stage_of(urn: str) -> str | None:
    """Return the stage that a resource belongs to, or none for the stack and its providers."""
    if name_of(urn).endswith(OS_READY):
        return "OS"
    for owner in type_chain(urn).split("$"):
        for beginning, stage in STAGES.items():
            if owner.startswith(beginning):
                return stage
    return None


def stage_number(urn: str) -> int:
    """Return where a resource's stage stands in the protocol; what has none stands first."""
    stage = stage_of(urn)
    return -1 if stage is None else ORDER.index(stage)


class Progress:
    """Says one line per stage, as soon as the last of its steps is done."""

    def __init__(self, planned: Iterable[Step], say: Callable[[str], None]) -> None:
        stages = (stage_of(step.urn) for step in planned)
        self._expected = Counter(stage for stage in stages if stage is not None)
        self._done: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._say = say
        self._began = time.monotonic()

    def __call__(self, step: Step) -> None:
        """Take note that ``step`` is done."""
        stage = stage_of(step.urn)
        if stage is None or step.urn in self._seen or not step.changes:
            return
        self._seen.add(step.urn)
        self._done[stage] += 1
        if self._done[stage] == self._expected[stage]:
            seconds = time.monotonic() - self._began
            self._say(f"    {stage:<12}{self._done[stage]:>4} {_past(step.op)} {seconds:>7.1f} s")


def _past(op: str) -> str:
    return {"create": "created", "delete": "deleted"}.get(op, "changed")
