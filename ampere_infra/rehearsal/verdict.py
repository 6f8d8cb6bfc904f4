"""What a rehearsal came to: the numbers, and everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ampere_infra.rehearsal.engine import Outcome


@dataclass
class Verdict:
    """Counts over a whole rehearsal; ``problems`` says in words what spoils it."""

    created: int = 0
    changed_again: int = 0
    changed_after_refresh: int = 0
    left: int = 0
    leaks: int = 0
    problems: list[str] = field(default_factory=list[str])

    @property
    def passed(self) -> bool:
        """Whether the stack does what it should."""
        return self.created > 0 and not self.problems

    def __str__(self) -> str:
        return (
            f"{self.created} created, {self.changed_again} changed on the second up, "
            f"{self.left} left after destroy; {self.changed_after_refresh} changed after a "
            f"refresh, {self.leaks} secrets in clear"
        )

    def unchanged(self, when: str, outcome: Outcome) -> int:
        """Note every change of a run that was to change nothing; return how many there were."""
        for step in outcome.events.changes:
            because = f" ({', '.join(step.changed)})" if step.changed else ""
            self.problems.append(f"{when}: {step.op} {step.type} {step.name}{because}")
        return outcome.changed

    def add(self, problems: Iterable[object]) -> int:
        """Note ``problems``; return how many there were."""
        found = [str(problem) for problem in problems]
        self.problems.extend(found)
        return len(found)


def leftovers(state: dict[str, list[dict[str, str]]], world: dict[str, object]) -> Iterator[str]:
    """Name whatever is still in the engine's state or in the world."""
    for resource in state.get("resources") or []:
        yield f"left in the state: {resource['urn']}"
    yield from (f"left in the world: {path}" for path in _paths(world, ()))


def _paths(found: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(found, dict) and len(path) < 3:  # noqa: PLR2004 - part, kind, name
        for key, value in found.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _paths(value, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif found:
        yield " / ".join(path)
