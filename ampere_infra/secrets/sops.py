"""Files of secrets, opened and sealed by the ``sops`` program; plain text stays in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, cast

from ampere_infra import tools
from ampere_infra.secrets.model import MODELS, HomeSecrets, SecretsError
from ampere_infra.secrets.sealed import SealedFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT_SECONDS = 60.0
"""Key Vault answers in well under a second; logging in to Azure may take some."""

# fmt: off
_PASSED = frozenset({
    "PATH", "PATHEXT", "HOME", "USER", "USERNAME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH",
    "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMROOT", "SYSTEMDRIVE",
    "WINDIR", "COMSPEC", "TEMP", "TMP", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
    "GNUPGHOME", "LANG", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET",
})
# fmt: on
_PASSED_PREFIXES = ("SOPS_", "AZURE_")


def read(stack: str, path: Path) -> HomeSecrets:
    """Return the secrets of ``stack`` from its SOPS file; a second call in one run is free.

    Raises:
        SecretsError: The file is not there, not sealed, damaged, cannot be opened with the keys
            at hand, or does not hold what the stack needs.
    """
    file = path.as_posix()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SecretsError(
            file,
            "is not there: seal your values with "
            f"`sops encrypt --age RECIPIENT --filename-override {path.name} PLAIN.yaml`, "
            "as docs/secrets.md says",
        ) from None
    except OSError as error:
        raise SecretsError(file, f"cannot be read: {error.strerror}") from None
    return _opened(stack, file, content)


def encrypt(values: Mapping[str, str], age_recipient: str, path: Path) -> None:
    """Seal ``values`` for ``age_recipient`` and put them at ``path``, in one step.

    Raises:
        SecretsError: ``sops`` refused.
    """
    arguments = ["--config", os.devnull, "encrypt", "--age", age_recipient]
    arguments += ["--filename-override", "sealed.yaml", "--input-type", "json"]
    arguments += ["--output-type", "yaml"]
    status, sealed, _ = _run(arguments, path.as_posix(), json.dumps(values))
    if status != 0:
        raise SecretsError(
            path.as_posix(),
            f"sops could not seal it (status {status}): is the age recipient right? "
            "It begins with age1",
        )
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(sealed, encoding="utf-8", newline="\n")
    partial.replace(path)


def make_age_key(path: Path) -> str:
    """Make an age key, keep it at ``path`` for its owner alone, and return its recipient.

    Raises:
        SecretsError: ``age-keygen`` refused; it never overwrites a key.
    """
    program = _program("age-keygen", path.as_posix())
    for arguments in (["-o", str(path)], ["-y", str(path)]):
        answer = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        if answer.returncode != 0:
            raise SecretsError(path.as_posix(), "age-keygen could not make a key there")
    return answer.stdout.strip()


@cache
def _opened(stack: str, file: str, content: bytes) -> HomeSecrets:
    sealed = SealedFile.parse(content, file)
    kind = "json" if file.endswith(".json") else "yaml"
    arguments = ["decrypt", "--filename-override", f"sealed.{kind}", "--output-type", "json"]
    status, stdout, stderr = _run(arguments, file, content.decode())
    if status != 0:
        raise sealed.refusal(status, stderr)
    values = _mapping(stdout)
    if values is None:
        raise SecretsError(
            file, "sops answered with something that is no JSON: is it the real one?"
        )
    return MODELS[stack].parse(values, file)


def _mapping(text: str) -> dict[str, object] | None:
    try:
        return cast("dict[str, object]", json.loads(text))
    except ValueError:
        return None


def _run(arguments: list[str], file: str, text: str) -> tuple[int, str, str]:
    """Run ``sops`` in a session of its own: no prompt can hang it and all of it can be ended."""
    with subprocess.Popen(
        [_program("sops", file), *arguments],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(text, LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
        except BaseException:
            _end(process)
            raise
        else:
            return process.returncode, stdout, stderr
    # Raised here, not where the time was up: that exception carries what sops wrote until then.
    raise SecretsError(
        file,
        f"sops did not end within {LIMIT_SECONDS:g} s: is the key service reachable (network, "
        "proxy, `az login`)? An age key in SOPS_AGE_KEY_FILE needs no network",
    )


def _end(process: subprocess.Popen[str]) -> None:
    """End ``process`` with all that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _program(name: str, file: str) -> str:
    try:
        return str(tools.path(name))
    except tools.BuildError as error:
        raise SecretsError(
            file, f"needs {name}, which is not there: install it (docs/secrets.md), or: {error}"
        ) from None


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED or name.upper().startswith(_PASSED_PREFIXES)
    }
