"""Secrets that somebody else makes: from the environment, or asked for at the terminal."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from typing import TYPE_CHECKING

from ampere_infra.secrets.command.place import WrongInputError, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ampere_infra.secrets.kinds import Kind
    from ampere_infra.secrets.model import StackSecrets

_TRIES = 3


def obtain(model: type[StackSecrets], names: Iterable[str]) -> dict[str, str]:
    """Return values for ``names``; one that is not needed may be left out.

    The environment is asked first. Without a terminal it is all there is.

    Raises:
        WrongInputError: Values are missing or malformed; all of them are named at once.
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    to_ask: list[str] = []
    kinds = model.kinds()
    for name in names:
        found = os.environ.get(name.upper(), "").strip()
        if found and not kinds[name].takes(found):
            problems.append(f"{name.upper()}: {name} {kinds[name].rule}")
        elif found:
            values[name] = found
        elif sys.stdin is not None and sys.stdin.isatty():
            to_ask.append(name)
        elif name in model.needed():
            problems.append(f"{name}: set {name.upper()}, or run this at a terminal to be asked")
    if problems:
        raise WrongInputError(*problems)
    asked = {name: _ask(model, name, kinds[name]) for name in to_ask}
    return values | {name: value for name, value in asked.items() if value}


def _ask(model: type[StackSecrets], name: str, kind: Kind) -> str:
    optional = name not in model.needed()
    say(f"{name}: {model.model_fields[name].description or kind.rule}")
    for _ in range(_TRIES):
        value = _hidden("  value (it does not show; Enter for none): " if optional else _PROMPT)
        if kind.takes(value) or (optional and not value):
            return value
        say(f"  {name} {kind.rule}")
    raise WrongInputError(f"{name} {kind.rule}; nothing was changed")


_PROMPT = "  value (it does not show): "


def _hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        # It warns where it cannot keep what is typed from showing.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt).strip()
        except (EOFError, getpass.GetPassWarning):
            say("")
            raise WrongInputError("this terminal gives no value; nothing was changed") from None
