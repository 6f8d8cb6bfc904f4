"""``ampere secrets import``: the secrets of an `.env` file, taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets.command import dotenv, store
from ampere_infra.secrets.command.place import (
    FAILED,
    FINE,
    Place,
    WrongInputError,
    complain,
    say,
)
from ampere_infra.secrets.command.sorting import Sorted, sort

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Seal what the file holds and the stack needs; say what became of each name."""
    stack: str = chosen.stack
    model = store.model_of(stack)
    env = _read(chosen.env_file)
    path = place.file(stack)
    before = store.existing(path)
    found = sort(stack, model, env.values, before or {})
    if found.taken:
        store.ensure_rule(place, stack)
        store.add(path, before, found.taken)
    _tell(place.shown(path), found, chosen.env_file)
    for line in env.unread:
        complain(f"line {line} is no NAME=value")
    have = {*(before or {}), *found.taken}
    if missing := [name for name in model.needed() if name not in have]:
        say(f"missing: {', '.join(missing)}")
        say(f"  `ampere secrets init {stack}` makes them, or asks for them")
    _name_for_deletion(chosen.env_file, found)
    return FAILED if found.refused or env.unread else FINE


def _read(path: Path) -> dotenv.DotEnv:
    try:
        return dotenv.parse(path.read_bytes())
    except OSError as error:
        raise WrongInputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongInputError(f"{path} is no text") from None


def _tell(file: str, found: Sorted, source: Path) -> None:
    for names, own in found.known.items():
        say(f"{file}: {names} taken as {own}")
    for text in found.kept:
        say(f"{file}: {text}")
    for text in found.refused:
        complain(f"not taken: {text}")
    for stack, names in found.elsewhere.items():
        say(f"for {stack}: {', '.join(names)}: `ampere secrets import {stack} {source}`")
    if found.unknown:
        say(f"not known, and no secret of a stack: {', '.join(found.unknown)}")


def _name_for_deletion(path: Path, found: Sorted) -> None:
    later = " when all of it is taken over" if found.elsewhere or found.refused else ""
    say(f"DELETE {path}{later}: it holds secrets in clear. If Git ever had it, or anybody else,")
    say("  give them new values: `ampere secrets rotate STACK NAME`")
