"""A stack's settings, from its file or from the engine: one function judges both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, cast, overload

from pydantic import ValidationError

from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.checks import cross_check
from ampere_infra.settings.document import read_document
from ampere_infra.settings.foundation import FoundationSettings
from ampere_infra.settings.home import HomeSettings
from ampere_infra.settings.mistakes import Location, Mistake, SettingsError, path_of, shown
from ampere_infra.settings.partial import partially
from ampere_infra.settings.remedies import SECRETS_BELONG, mistakes_of

Settings = HomeSettings | ApiSettings | FoundationSettings

STACKS: dict[str, type[Settings]] = {
    "home": HomeSettings,
    "api": ApiSettings,
    "foundation": FoundationSettings,
}
"""The stacks there are, each with the model of its settings."""

PULUMI_KEYS = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")
"""What Pulumi itself has at the top of a stack file."""

_OURS, _PULUMIS = "ampere", "pulumi"
_DEEPEST = 20


def stack_file(stack: str) -> Path:
    """Return the settings file of ``stack`` in the project's folder."""
    return Path(f"Pulumi.{stack}.yaml")


def model_of(stack: str) -> type[Settings]:
    """Return the model of ``stack``'s settings.

    Raises:
        SettingsError: there is no such stack.
    """
    if stack not in STACKS:
        remedy = f"is no stack of this project; those known are: {', '.join(STACKS)}"
        raise SettingsError([Mistake("stack", shown(stack), remedy)])
    return STACKS[stack]


def read_stack_file(path: Path) -> dict[str, object]:
    """Return the ``config:`` of the stack file at ``path``.

    Raises:
        SettingsError: it cannot be read, or is no stack file.
    """
    document = read_document(path)
    if not isinstance(document, dict):
        what = "is empty" if document is None else "is no stack file"
        remedy = f"{what}; begin it with 'config:' and the settings below"
        raise SettingsError([Mistake(path.name, "", remedy)])
    content = cast("dict[object, object]", document)
    mistakes = [
        Mistake(f"{path.name}: {shown(key)}", "", "is no key here; settings stand below 'config:'")
        for key in content
        if key not in PULUMI_KEYS
    ]
    config = content.get("config")
    if not isinstance(config, dict):
        there = "config" in content
        remedy = "write the settings below it" if there else "is missing; settings stand below it"
        mistakes.append(Mistake(f"{path.name}: config", shown(config) if there else "", remedy))
    if mistakes:
        raise SettingsError(mistakes)
    return cast("dict[str, object]", config)


@overload
def from_engine(stack: Literal["home"]) -> HomeSettings: ...
@overload
def from_engine(stack: Literal["api"]) -> ApiSettings: ...
@overload
def from_engine(stack: Literal["foundation"]) -> FoundationSettings: ...
def from_engine(stack: Literal["home", "api", "foundation"]) -> Settings:
    """Return the settings that the running engine hands to the program.

    Raises:
        SettingsError: there are mistakes in them.
    """
    from pulumi.runtime import config as engine

    secret = engine.get_config_secret_keys_env()
    handed = {**engine.get_config_env(), **engine.CONFIG.get()}
    return parse(
        stack,
        {
            key: {"secure": ""} if key in secret or engine.is_config_secret(key) else value
            for key, value in handed.items()
        },
    )


@overload
def parse(stack: Literal["home"], config: Mapping[str, object]) -> HomeSettings: ...
@overload
def parse(stack: Literal["api"], config: Mapping[str, object]) -> ApiSettings: ...
@overload
def parse(stack: Literal["foundation"], config: Mapping[str, object]) -> FoundationSettings: ...
@overload
def parse(stack: str, config: Mapping[str, object]) -> Settings: ...
def parse(stack: str, config: Mapping[str, object]) -> Settings:
    """Return the settings of ``stack`` from its configuration, keys like ``ampere:cluster``.

    A section may be JSON text, as the engine hands it over.

    Raises:
        SettingsError: with every mistake there is.
    """
    model = model_of(stack)
    keys = cast("Mapping[object, object]", config)
    document = {
        key.removeprefix(f"{_OURS}:"): _decoded(value)
        for key, value in keys.items()
        if isinstance(key, str) and key.startswith(f"{_OURS}:")
    }
    secure = list(_secure(document))
    mistakes = [*_foreign(model, keys), *(_not_here(model, location) for location in secure)]
    try:
        settings = model.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [e for e in details if not any(_inside(e["loc"], s) for s in secure)]
        settings = partially(model, document)
        mistakes += [*mistakes_of(model, found), *cross_check(settings, whole=False)]
    else:
        mistakes += cross_check(settings)
    if mistakes:
        order = [f"{_OURS}:{name}" for name in model.model_fields]
        raise SettingsError(sorted(mistakes, key=lambda m: _rank(m.path, order)))
    return settings


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value == "":
        return None
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _foreign(model: type[Settings], config: Mapping[object, object]) -> Iterator[Mistake]:
    """Yield the keys that are not settings of this project."""
    for key in config:
        namespace, colon, _ = key.partition(":") if isinstance(key, str) else ("", "", "")
        if colon and namespace in {_OURS, _PULUMIS}:
            continue
        remedy = f"has no namespace; settings begin with {_OURS}:"
        if colon:
            remedy = "is no setting here; the program itself configures its providers"
        elif key in model.model_fields:
            remedy = f"has no namespace; did you mean {_OURS}:{key}?"
        yield Mistake(f"config: {shown(key)}", "", remedy)


def _secure(value: object, location: Location = ()) -> Iterator[Location]:
    """Yield where ``value`` holds what ``pulumi config set --secret`` writes."""
    if len(location) > _DEEPEST:
        return
    if isinstance(value, Mapping):
        content = cast("Mapping[object, object]", value)
        if set(content) == {"secure"}:
            yield location
            return
        for key, item in content.items():
            yield from _secure(item, (*location, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _secure(item, (*location, index))


def _not_here(model: type[Settings], location: Location) -> Mistake:
    remedy = SECRETS_BELONG
    if not model.has_secrets:
        remedy = "this stack has no secrets; write the value as it is"
    return Mistake(path_of(location), "", f"is encrypted by Pulumi; {remedy}")


def _inside(location: Location, outer: Location) -> bool:
    return location[: len(outer)] == outer


def _rank(path: str, order: list[str]) -> int:
    top = path.partition(".")[0].partition("[")[0]
    return order.index(top) if top in order else -1
