"""What makes a file of secrets fine."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import yaml

from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.command.place import Place, complain, say
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.model import MODELS, StackSecrets
from ampere_infra.secrets.sealed import SealedFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def judge(place: Place, paths: Iterable[Path], *, without_keys: bool = False) -> list[Path]:
    """Return which of ``paths`` are fine; say of each whether it is, or all that is wrong.

    Files are opened side by side, and only those that look fine from outside.
    """
    faults = {path: _from_outside(place, path) for path in paths}
    sound = [path for path, found in faults.items() if not found]
    opened = {} if without_keys else sops.decrypt_all(sound)
    for path, held in opened.items():
        faults[path] = _from_inside(place, path, held)
    for path, found in faults.items():
        for problem in found:
            complain(f"{place.shown(path)}: {problem}")
        if not found:
            say(f"{place.shown(path)}: {_FINE[without_keys]}")
    return [path for path, found in faults.items() if not found]


_FINE = {False: "fine", True: "fine from outside; it was not opened"}


def _from_outside(place: Place, path: Path) -> list[str]:
    file = place.shown(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    if b"ENC[" not in content:
        content = b"plain: text"
    try:
        sealed = SealedFile.parse(content, file)
        stack = path.name.removesuffix(".enc.yaml")
        if stack not in MODELS or path != place.file(stack):
            known = ", ".join(place.shown(place.file(stack)) for stack in MODELS)
            return [f"belongs to no stack: delete it, or name it as one of {known}"]
        return [*_wrong_recipients(sealed, path, stack), *_wrong_names(content, MODELS[stack])]
    except SecretsError as error:
        return list(error.problems)


def _wrong_recipients(sealed: SealedFile, path: Path, stack: str) -> list[str]:
    try:
        wanted = rules.of(path).named
    except SecretsError as error:
        return [
            f"for whom it is to be sealed is not clear: {problem}" for problem in error.problems
        ]
    actual = {name.replace("//keys/", "/keys/") for name in sealed.recipients}
    remedy = f"`ampere secrets rotate {stack}` seals it for those whom .sops.yaml names"
    problems = [f"is not sealed for {name}: {remedy}" for name in sorted(wanted - actual)]
    return problems + [
        f"can be opened with {name}, which .sops.yaml does not name: {remedy}"
        for name in sorted(actual - wanted)
    ]


def _wrong_names(content: bytes, model: type[StackSecrets]) -> list[str]:
    """Names stand in clear, so what is missing shows without a key."""
    held = cast("dict[object, object]", yaml.load(content.decode(), Loader=yaml.CSafeLoader))
    names = {str(name) for name, value in held.items() if name != "sops" and value}
    missing = [name for name in model.needed() if name not in names]
    problems = [f"{name} is missing" for name in missing]
    return problems + [f"{name} is unknown" for name in sorted(names - {*model.model_fields})]


def _from_inside(place: Place, path: Path, held: dict[str, object] | SecretsError) -> list[str]:
    if isinstance(held, SecretsError):
        return list(held.problems)
    try:
        MODELS[path.name.removesuffix(".enc.yaml")].parse(held, place.shown(path))
    except SecretsError as error:
        return list(error.problems)
    return []
