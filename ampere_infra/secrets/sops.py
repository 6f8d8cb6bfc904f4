"""Files of secrets, opened and sealed by the ``sops`` program; plain text stays in memory."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Literal, cast, overload

from ampere_infra.secrets import refusals, rules
from ampere_infra.secrets.age import age_recipient, default_age_key_file, make_age_key
from ampere_infra.secrets.bench import Bench, bench, read_bytes, replace
from ampere_infra.secrets.model import MODELS, ApiSecrets, HomeSecrets, SecretsError, StackSecrets
from ampere_infra.secrets.run import end_all, run, run_in_terminal
from ampere_infra.secrets.sealed import SealedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "age_recipient",
    "decrypt",
    "decrypt_all",
    "default_age_key_file",
    "edit",
    "encrypt",
    "forget",
    "make_age_key",
    "read",
    "rotate",
    "set_value",
    "update_keys",
]

AT_ONCE = 8
"""How many files are opened side by side at most; each is a process that waits for its key."""
_UNCHANGED = 200
_NO_EDITOR = 201


@overload
def read(stack: Literal["home"], path: Path) -> HomeSecrets: ...
@overload
def read(stack: Literal["api"], path: Path) -> ApiSecrets: ...
@overload
def read(stack: str, path: Path) -> StackSecrets: ...
def read(stack: str, path: Path) -> StackSecrets:
    """Return the secrets of ``stack`` from its SOPS file; a second call in one run is free.

    Raises:
        SecretsError: The file is not there, not sealed, damaged, cannot be opened with the keys
            at hand, or does not hold what the stack needs.
    """
    return _read(stack, path.as_posix(), read_bytes(path))


def forget() -> None:
    """Forget what :func:`read` returned, as a new process does."""
    _read.cache_clear()


def decrypt(path: Path) -> dict[str, object]:
    """Return what the SOPS file at ``path`` holds.

    Raises:
        SecretsError: The file is not there, not sealed, damaged, or cannot be opened with the
            keys at hand.
    """
    return _decrypted(path.as_posix(), read_bytes(path))


def decrypt_all(paths: Iterable[Path]) -> dict[Path, dict[str, object] | SecretsError]:
    """Return what each of the SOPS files holds, or why not; they are opened side by side."""
    paths = list(paths)
    with ThreadPoolExecutor(max_workers=max(1, min(len(paths), AT_ONCE))) as pool:
        try:
            return dict(zip(paths, pool.map(_attempt, paths), strict=True))
        except BaseException:
            # Ctrl-C does not reach sops, which is in a session of its own, and the pool waits.
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


def encrypt(values: Mapping[str, str], path: Path) -> None:
    """Seal ``values`` for the recipients that `.sops.yaml` names, and put them at ``path``.

    Raises:
        SecretsError: No `.sops.yaml` rules the file, or ``sops`` refused.
    """
    file = path.as_posix()
    ruling = rules.find(path)
    if ruling is None:
        raise SecretsError(
            file, "no .sops.yaml in its folder or above says for whom: `ampere secrets init`"
        )
    arguments = ["--config", str(ruling), "encrypt", "--filename-override", str(path.absolute())]
    arguments += ["--input-type", "json", "--output-type", _kind(file)]
    answer = run(arguments, file, json.dumps(dict(values)))
    if answer.status != 0:
        raise refusals.sealing(file, ruling, answer)
    replace(path, answer.stdout.encode())


def set_value(path: Path, name: str, value: str) -> None:
    """Give one secret a value; all others stay as they are, byte for byte.

    Raises:
        SecretsError: The file cannot be opened or sealed.
    """
    if re.fullmatch(r"\w+", name) is None:
        raise SecretsError(path.as_posix(), "a secret's name is letters, digits and _")
    arguments = ["set", "--value-stdin", "--idempotent"]
    with bench(path) as at:
        _changed(at, [*arguments, str(at.copy), f'["{name}"]'], json.dumps(value))


def rotate(path: Path) -> None:
    """Seal the file with a new data key, for the recipients that it has.

    Raises:
        SecretsError: The file cannot be opened or sealed.
    """
    with bench(path) as at:
        _changed(at, ["rotate", "--in-place", str(at.copy)])


def update_keys(path: Path) -> bool:
    """Seal the file for the recipients that `.sops.yaml` names; False if it is already.

    Raises:
        SecretsError: The file cannot be opened or sealed, or no `.sops.yaml` rules it.
    """
    with bench(path) as at:
        return _changed(at, ["updatekeys", "--yes", str(at.copy)])


def edit(path: Path) -> bool:
    """Let the person at the terminal change the file in their editor; False if they did not.

    While the editor runs, the plain text is a file that only the user may read, in memory where
    the system has such a place; it is removed whatever happens.

    Raises:
        SecretsError: The file cannot be opened or sealed, or there is no editor.
    """
    file = path.as_posix()
    with bench(path, in_memory=True) as at:
        # What sops says of keys goes to the terminal, and nothing ends it there: so it is asked
        # beforehand, in the way that tells and has an end.
        _decrypted(file, at.before)
        status = run_in_terminal([*at.options, "edit", str(at.copy)], file, at.folder)
        if status == _NO_EDITOR:
            raise SecretsError(file, "the editor failed: set EDITOR to yours (`code --wait`)")
        if status not in {0, _UNCHANGED}:
            raise SecretsError(file, f"nothing was changed: sops ended with status {status}")
        return at.put_back()


def _changed(at: Bench, arguments: list[str], text: str = "") -> bool:
    file = at.original.as_posix()
    sealed = SealedFile.parse(at.before, file)
    answer = run([*at.options, *arguments], file, text, at.folder, sealed.services)
    if answer.status != 0:
        raise refusals.opening(sealed, answer)
    return at.put_back()


def _attempt(path: Path) -> dict[str, object] | SecretsError:
    try:
        return decrypt(path)
    except SecretsError as error:
        return error


@cache
def _read(stack: str, file: str, content: bytes) -> StackSecrets:
    return MODELS[stack].parse(_decrypted(file, content), file)


def _decrypted(file: str, content: bytes) -> dict[str, object]:
    sealed = SealedFile.parse(content, file)
    arguments = ["--config", os.devnull, "decrypt", "--output-type", "json"]
    arguments += ["--filename-override", f"sealed.{_kind(file)}"]
    answer = run(arguments, file, content.decode(), keys=sealed.services)
    if answer.status != 0:
        raise refusals.opening(sealed, answer)
    values = _mapping(answer.stdout)
    if values is None:
        raise SecretsError(
            file, "sops answered with something that is no JSON: is it the real one?"
        )
    return values


def _kind(file: str) -> str:
    return "json" if file.endswith(".json") else "yaml"


def _mapping(text: str) -> dict[str, object] | None:
    try:
        return cast("dict[str, object]", json.loads(text))
    except ValueError:
        return None
