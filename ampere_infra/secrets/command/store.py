"""What the commands that write have in common: the stack's model, its file, and its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.command.place import Place, WrongInputError, say
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.model import MODELS, StackSecrets, is_empty
from ampere_infra.secrets.recipients import Recipients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def model_of(stack: str) -> type[StackSecrets]:
    """Return the model of the secrets of ``stack``.

    Raises:
        WrongInputError: It has none.
    """
    if stack not in MODELS:
        raise WrongInputError(f"{stack} has no secrets; those that have: {', '.join(MODELS)}")
    return MODELS[stack]


def existing(path: Path) -> dict[str, object] | None:
    """Return what the file at ``path`` holds, without what is empty; None if there is no file.

    Raises:
        SecretsError: It cannot be opened.
    """
    if not path.exists():
        return None
    return {name: value for name, value in sops.decrypt(path).items() if not is_empty(value)}


def add(path: Path, before: Mapping[str, object] | None, values: Mapping[str, str]) -> None:
    """Seal ``values``, beside those that the file holds already.

    Raises:
        SecretsError: It cannot be written.
    """
    if before is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        sops.encrypt(values, path)
        return
    for name, value in values.items():
        sops.set_value(path, name, value)


def ensure_rule(place: Place, stack: str) -> None:
    """Have `.sops.yaml` say for whom the file of ``stack`` is sealed, if it does not yet.

    Raises:
        SecretsError: It is broken, or no age key is there and none can be made.
    """
    path = place.file(stack)
    try:
        rules.of(path)
    except rules.NoRuleError:
        recipients = others(place) or Recipients(age=(own_age_key(),))
        where = rules.find(path) or place.rules
        where.parent.mkdir(parents=True, exist_ok=True)
        rules.write(where, path, recipients)
        say(f"{place.shown(where)}: {place.shown(path)} is sealed for")
        for name in sorted(recipients.named):
            say(f"  {name}")


def others(place: Place) -> Recipients | None:
    """Return whom the secrets of the other stacks are sealed for."""
    for stack in MODELS:
        try:
            return rules.of(place.file(stack))
        except rules.NoRuleError:
            continue
    return None


def own_age_key() -> str:
    """Return the recipient of this person's age key; a new key is made if there is none.

    Raises:
        SecretsError: It cannot be read or made.
    """
    path = sops.default_age_key_file()
    if path.exists():
        return sops.age_recipient(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SecretsError(path.as_posix(), f"cannot be made: {error.strerror}") from None
    recipient = sops.make_age_key(path)
    say(f"{path}: a new age key. Keep a copy of it in a safe place, and not in Git:")
    say("  without it, and without the vault's key, nobody opens the secrets again.")
    return recipient


def clashes(values: Mapping[str, str], before: Mapping[str, object]) -> Iterator[str]:
    """Name those of ``values`` that another secret has already."""
    for name, value in values.items():
        for other, held in {**before, **values}.items():
            if other != name and held == value:
                yield f"{name} has the value of {other}: give each its own"
