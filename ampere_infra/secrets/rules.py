"""``.sops.yaml``, which says for whom each file of secrets is sealed: read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.recipients import Recipients
from ampere_infra.secrets.rule_text import HEAD, Rule, matches, parsed, with_rule

if TYPE_CHECKING:
    from pathlib import Path, PurePath

__all__ = ["NAME", "NoRuleError", "Recipients", "find", "of", "write"]

NAME = ".sops.yaml"
_OTHERS = frozenset({"kms", "aws_kms", "gcp_kms", "hckms", "pgp", "vault", "hc_vault", "merge"})
"""What sops knows besides, and this project has no use for."""
_REMEDY = "take it back from Git, or have `ampere secrets init STACK` write one"


class NoRuleError(SecretsError):
    """Nothing says yet for whom a file is to be sealed."""


def find(path: Path) -> Path | None:
    """Return the `.sops.yaml` that is nearest to ``path``, from its folder upward."""
    places = (folder / NAME for folder in path.absolute().parents)
    return next((place for place in places if place.is_file()), None)


def of(path: Path) -> Recipients:
    """Return for whom the file at ``path``, which need not be there, is to be sealed.

    Raises:
        NoRuleError: No `.sops.yaml` is there, or no rule of it is for the file.
        SecretsError: It is broken.
    """
    place = find(path)
    if place is None:
        raise NoRuleError(path.as_posix(), f"no {NAME} is there for it: {_REMEDY}")
    relative, file = path.absolute().relative_to(place.parent), place.as_posix()
    for rule in parsed(_text(place), file):
        if matches(rule, relative, file):
            return _recipients(rule, relative, file)
    raise NoRuleError(file, f"has no rule for {relative.as_posix()}: {_REMEDY}")


def write(place: Path, path: Path, recipients: Recipients) -> bool:
    """Have the `.sops.yaml` at ``place`` seal ``path`` for ``recipients``; False if it does so.

    Other rules, and comments, stay as they are.

    Raises:
        SecretsError: The recipients are none, or the file is broken or cannot be written.
    """
    file = place.as_posix()
    if mistakes := recipients.mistakes():
        raise SecretsError(file, *mistakes)
    relative = path.absolute().relative_to(place.absolute().parent)
    before = _text(place) if place.exists() else HEAD
    text = with_rule(before, relative, recipients, file)
    if place.exists() and text == before:
        return False
    partial = place.with_name(f"{place.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(place)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SecretsError(file, f"cannot be written: {error.strerror}") from None
    return True


def _recipients(rule: Rule, relative: PurePath, file: str) -> Recipients:
    name = relative.as_posix()
    groups = cast("list[object]", rule.get("key_groups") or [rule])
    group = groups[0]
    if len(groups) != 1 or not isinstance(group, dict):
        problem = "must have one key group, so that each key of it opens the file"
        raise SecretsError(file, f"the rule for {name} {problem}")
    group = cast("Rule", group)
    if foreign := sorted(_OTHERS & {*group, *rule}):
        problem = f"names {', '.join(foreign)}: only azure_keyvault and age are used"
        raise SecretsError(file, f"the rule for {name} {problem}")
    azure = [_url(key) for key in _each(group.get("azure_keyvault"))]
    recipients = Recipients(tuple(map(str, _each(group.get("age")))), tuple(azure))
    if mistakes := recipients.mistakes():
        raise SecretsError(file, *(f"the rule for {name}: {mistake}" for mistake in mistakes))
    return recipients


def _each(value: object) -> list[object]:
    """Return the keys of a list, or of text that commas part."""
    if isinstance(value, list):
        return [k.strip() if isinstance(k, str) else k for k in cast("list[object]", value)]
    return [part.strip() for part in str(value or "").split(",") if part.strip()]


def _url(key: object) -> str:
    if not isinstance(key, dict):
        return str(key)
    parts = cast("Rule", key)
    vault = str(parts.get("vaultUrl", "")).rstrip("/")
    return f"{vault}/keys/{parts.get('key')}/{parts.get('version')}"


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SecretsError(place.as_posix(), "is no text in UTF-8") from None
    except OSError as error:
        raise SecretsError(place.as_posix(), f"cannot be read: {error.strerror}") from None
