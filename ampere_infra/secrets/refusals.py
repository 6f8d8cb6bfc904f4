"""Why ``sops`` refused, and what to do: its words are looked at, never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets.model import SecretsError
from ampere_infra.secrets.sealed import RESTORE, SealedFile

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.secrets.run import Answer

_MAC_MISMATCH = 51
_MAC_MISSING = 52
_CANNOT_DECRYPT_MAC = 24
_CANNOT_DECRYPT_VALUE = 25
_NO_DATA_KEY = 128
"""Exit statuses of sops (cmd/sops/codes/codes.go)."""

_REMEDIES = (
    ("Forbidden", "the identity lacks the role `Key Vault Crypto User` on the vault"),
    ("DefaultAzureCredential", "log in with `az login`, or set AZURE_* for a service identity"),
    ("dial tcp", "the network or the proxy did not let sops reach the key's service"),
    ("Errors while loading age", "the age key at hand is no age key: look at SOPS_AGE_KEY_FILE"),
)
_RULES = (
    ("no matching creation rules", "has no rule for this file: add one"),
    ("has no creation rules", "has no rule for this file: add one"),
    ("Could not unmarshal config", "is no YAML that sops understands"),
    ("age public key", "names an age recipient that is none: one begins with age1"),
)


def opening(sealed: SealedFile, answer: Answer) -> SecretsError:
    """Say why ``sops`` could not open the file."""
    if answer.status == _NO_DATA_KEY:
        return _no_key(sealed, answer.stderr)
    broken = {_MAC_MISMATCH, _MAC_MISSING, _CANNOT_DECRYPT_MAC, _CANNOT_DECRYPT_VALUE}
    if answer.status in broken:
        return SecretsError(
            sealed.file, f"was changed by something other than sops (its MAC broke): {RESTORE}"
        )
    return SecretsError(sealed.file, f"sops refused it with status {answer.status}: {RESTORE}")


def sealing(file: str, rules: Path, answer: Answer) -> SecretsError:
    """Say why ``sops`` could not seal the file for those whom ``rules`` names."""
    for sign, problem in _RULES:
        if sign in answer.stderr:
            return SecretsError(file, f"sops could not seal it: {rules.as_posix()} {problem}")
    return SecretsError(file, f"sops could not seal it (status {answer.status})")


def _no_key(sealed: SealedFile, stderr: str) -> SecretsError:
    hints = [f"{remedy}; " for sign, remedy in _REMEDIES if sign in stderr]
    return SecretsError(
        sealed.file,
        f"no key at hand opens it. It is sealed for {', '.join(sealed.recipients)}; "
        f"{''.join(hints)}set SOPS_AGE_KEY_FILE to the file of the age key for recovery, "
        "or have a key of yours added with `sops updatekeys`",
    )
