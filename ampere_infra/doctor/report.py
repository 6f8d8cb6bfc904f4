"""Findings as a person reads them, or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Place, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ampere_infra.doctor.findings import Finding, Group

SIGNS = {Verdict.OK: "ok", Verdict.WARNING: "warn", Verdict.BAD: "BAD", Verdict.UNKNOWN: "?"}
_COUNTED = {
    Verdict.BAD: "wrong",
    Verdict.WARNING: "to know of",
    Verdict.UNKNOWN: "could not be told",
    Verdict.OK: "fine",
}


def text(groups: Sequence[Group], machines: Mapping[Place, str]) -> Iterator[str]:
    """Yield lines; a remedy says where it is to be run, in the words of ``machines``."""
    width = max((len(f.check) for group in groups for f in group.findings), default=0)
    for group in groups:
        yield group.title
        for finding in group.findings:
            sign = SIGNS[finding.verdict]
            yield f"  {sign:<4} {finding.check:<{width}}  {finding.found}".rstrip()
            for remedy in finding.remedies:
                yield f"         on {machines[remedy.place]}: {remedy.command}"
    yield count(groups)


def count(groups: Iterable[Group]) -> str:
    """Return how many of each verdict there are."""
    counted = Counter(f.verdict for group in groups for f in group.findings)
    return ", ".join(f"{counted[v]} {words}" for v, words in _COUNTED.items() if counted[v])


def as_json(stack: str, groups: Iterable[Group], machines: Mapping[Place, str]) -> str:
    """Return everything as one JSON document."""
    return json.dumps(
        {
            "stack": stack,
            "findings": [
                {"group": group.title, **_finding(finding, machines)}
                for group in groups
                for finding in group.findings
            ],
        },
        indent=2,
    )


def _finding(finding: Finding, machines: Mapping[Place, str]) -> dict[str, object]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "remedies": [
            {
                "on": remedy.place.value,
                "machine": machines[remedy.place],
                "command": remedy.command,
            }
            for remedy in finding.remedies
        ],
    }
