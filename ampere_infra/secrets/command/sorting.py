"""What becomes of each name of an `.env` file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.secrets.command.env_names import NAMES, field_of, secret_in
from ampere_infra.secrets.command.store import clashes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.secrets.model import StackSecrets

_SHOWABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}|[a-z_][a-z0-9_]{0,63}|TF_VAR_\w{1,63}")
"""A name; a line of a broken value, such as a key in base64, can look like NAME=value too."""


@dataclass
class Sorted:
    """Names by what becomes of them; no value stands in any text."""

    taken: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values by field."""
    known: dict[str, str] = field(default_factory=dict[str, str])
    """What was taken: the fields by the names that the file has for them."""
    kept: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    elsewhere: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Names by the stack that they are for."""
    unknown: list[str] = field(default_factory=list[str])


def sort(
    stack: str,
    model: type[StackSecrets],
    values: Mapping[str, str],
    before: Mapping[str, object],
) -> Sorted:
    """Find out what each of ``values`` is for ``stack``, whose file holds ``before``."""
    found = Sorted()
    candidates: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        if own := field_of(stack, name):
            candidates.setdefault(own, {})[name] = secret_in(value)
        elif other := next((other for other in NAMES if field_of(other, name)), None):
            found.elsewhere.setdefault(other, []).append(name)
        else:
            found.unknown.append(name if _SHOWABLE.fullmatch(name) else "one that is not shown")
    for own, by_name in candidates.items():
        _decide(found, own, by_name, model, before)
    return found


def _decide(
    found: Sorted,
    own: str,
    by_name: Mapping[str, str],
    model: type[StackSecrets],
    before: Mapping[str, object],
) -> None:
    names, kind = " and ".join(by_name), model.kinds()[own]
    given = set(by_name.values())
    value = next(iter(given))
    if own in before:
        same = given == {before[own]}
        found.kept.append(
            f"{names}: {own} has {'this value' if same else 'another value, which stays'}"
        )
    elif len(given) > 1:
        found.refused.append(f"{names} differ, so {own} was left out")
    elif not value:
        found.refused.append(f"{names}: there is no value for {own}")
    elif not kind.takes(value):
        found.refused.append(f"{names}: {own} {kind.rule}")
    elif clash := next(clashes({own: value}, {**before, **found.taken}), None):
        found.refused.append(f"{names}: {clash}")
    else:
        found.taken[own], found.known[names] = value, own
