"""The age key for recovery: where it lies, and how one is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.run import environment, program

LIMIT_SECONDS = 60.0


def default_age_key_file() -> Path:
    """Return where ``sops`` looks for age keys: SOPS_AGE_KEY_FILE, else the system's place."""
    chosen = os.environ.get("SOPS_AGE_KEY_FILE")
    return Path(chosen) if chosen else _configuration() / "sops" / "age" / "keys.txt"


def _configuration() -> Path:
    """Where Go's os.UserConfigDir is; sops lets XDG_CONFIG_HOME count on macOS too."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    chosen = os.environ.get("XDG_CONFIG_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".config"


def make_age_key(path: Path) -> str:
    """Make an age key, keep it at ``path`` for its owner alone, and return its recipient.

    Raises:
        SecretsError: ``age-keygen`` refused; it never overwrites a key.
    """
    made = _keygen(path, "-o")
    if made is None:
        raise SecretsError(path.as_posix(), "age-keygen could not make a key there")
    return age_recipient(path)


def age_recipient(path: Path) -> str:
    """Return the recipient, ``age1...``, of the key at ``path``; of several, the first.

    Raises:
        SecretsError: There is no age key.
    """
    answer = _keygen(path, "-y")
    if not answer:
        raise SecretsError(path.as_posix(), "holds no age key")
    return answer.split()[0]


def _keygen(path: Path, option: str) -> str | None:
    command = [program("age-keygen", path.as_posix()), option, str(path)]
    answer = subprocess.run(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    return answer.stdout if answer.returncode == 0 else None
