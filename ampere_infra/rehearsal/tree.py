"""The tree of a plan, as Pulumi draws it on a terminal."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.progress import stage_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ampere_infra.rehearsal.events import Step

SIGNS = {
    "create": "+",
    "update": "~",
    "delete": "-",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": ">",
    "refresh": "~",
    "same": "",
}


def tree(steps: Iterable[Step]) -> Iterator[str]:
    """Draw each resource once, below the one that it belongs to, with what is to happen to it."""
    latest = {step.urn: step for step in steps}
    children: dict[str, list[Step]] = defaultdict(list)
    for step in latest.values():
        children[step.parent if step.parent in latest else ""].append(step)
    for siblings in children.values():
        siblings.sort(key=_place)
    rows = list(_rows("", children, ""))
    width = max((len(label) for _, label in rows), default=0)
    names = max((len(step.name) for step, _ in rows), default=0)
    yield f"     {'Type':{width}}  {'Name':{names}}  Plan"
    for step, label in rows:
        plan = "" if step.op == "same" else step.op
        yield f" {SIGNS.get(step.op, '?'):2}  {label:{width}}  {step.name:{names}}  {plan}".rstrip()


def _place(step: Step) -> tuple[int, str]:
    """Components stand by their stages and names; what they are made of as the engine took it."""
    return stage_number(step.urn), step.name if step.type.startswith("ampere:") else ""


def _rows(urn: str, children: dict[str, list[Step]], indent: str) -> Iterator[tuple[Step, str]]:
    found = children[urn]
    for step in found:
        last = step is found[-1]
        branch, below = ("", "") if urn == "" else ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield step, f"{indent}{branch}{short(step.type)}"
        yield from _rows(step.urn, children, indent + below)


def short(token: str) -> str:
    """Return a type token as Pulumi shows it: ``libvirt:index:Volume``."""
    package, module, name = token.split(":")
    return f"{package}:{module.partition('/')[0]}:{name}"
