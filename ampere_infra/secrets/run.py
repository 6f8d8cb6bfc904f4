"""One call of the ``sops`` program: what it is given, for how long, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra import tools
from ampere_infra.processes import end
from ampere_infra.secrets.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Generator
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
_PASSED_PREFIXES = ("SOPS_", "AZURE_")
_RECIPIENTS = frozenset({
    "SOPS_AGE_RECIPIENTS", "SOPS_AZURE_KEYVAULT_URLS", "SOPS_PGP_FP", "SOPS_KMS_ARN",
    "SOPS_GCP_KMS_IDS", "SOPS_HUAWEICLOUD_KMS_IDS", "SOPS_VAULT_URIS",
})
"""Whom sops would seal a file for instead of those of `.sops.yaml`."""
# fmt: on
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Answer:
    """What ``sops`` answered; neither text is ever shown."""

    status: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)


def run(
    arguments: list[str], file: str, text: str = "", folder: Path | None = None, keys: str = ""
) -> Answer:
    """Run ``sops`` in a session of its own: no prompt can hang it and all of it can be ended.

    ``keys`` names what it may have to wait for.

    Raises:
        SecretsError: It is not there, or did not end in time.
    """
    with subprocess.Popen(
        [program("sops", file), *arguments],
        env=environment(),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        _running.add(process)
        try:
            # In bytes, or Windows would make line ends of its own out of a sealed file's.
            output = process.communicate(text.encode(), LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            end(process)
        except BaseException:
            end(process)
            raise
        else:
            stdout, stderr = (part.decode(errors="replace") for part in output)
            return Answer(process.returncode, stdout, stderr)
        finally:
            _running.discard(process)
    # Raised here, not where the time was up: that exception carries what sops wrote until then.
    raise SecretsError(
        file,
        f"sops did not end within {LIMIT_SECONDS:g} s: is {keys or 'the key service'} reachable "
        "(network, VPN, HTTPS_PROXY, `az login`)? The way out: an age key, in SOPS_AGE_KEY_FILE, "
        "needs no network",
    )


def end_all() -> None:
    """End every ``sops`` that another thread waits for."""
    for process in list(_running):
        end(process)


def run_in_terminal(arguments: list[str], file: str, folder: Path) -> int:
    """Run ``sops`` for the person at the terminal, with its temporary files in ``folder``."""
    places = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder))
    command = [program("sops", file), *arguments]
    with _ended_tidily():
        return subprocess.run(command, env={**os.environ, **places}, check=False).returncode


@contextmanager
def _ended_tidily() -> Generator[None]:
    """Have a terminal that is closed end this program as an exception does, with all clean-up."""

    def leave(number: int, frame: object) -> None:
        del frame
        raise SystemExit(128 + number)

    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def program(name: str, file: str) -> str:
    """Return where ``name`` is.

    Raises:
        SecretsError: It is nowhere, and cannot be built.
    """
    try:
        return str(tools.path(name))
    except tools.BuildError as error:
        raise SecretsError(
            file, f"needs {name}, and there is none (docs/secrets.md): {error}"
        ) from None


def environment() -> dict[str, str]:
    """Return the variables that ``sops`` and ``age-keygen`` need, and no others."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _PASSED or name.upper().startswith(_PASSED_PREFIXES))
        and name.upper() not in _RECIPIENTS
    }
