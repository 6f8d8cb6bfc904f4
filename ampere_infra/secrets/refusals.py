"""Why ``sops`` refused, and what to do: its words are looked at, never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets import azure
from ampere_infra.secrets.age import default_age_key_file
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.sealed import RESTORE, SealedFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ampere_infra.secrets.run import Answer

_NO_DATA_KEY = 128
_MAC_BROKE = frozenset({51, 52, 24, 25})
"""The MAC differs, is not there, or it or a value cannot be decrypted.

Exit statuses of sops: cmd/sops/codes/codes.go.
"""
_AGE = (
    ("failed to parse", "is no age key"),
    ("did not match any of the recipients", "holds another key than those that open this file"),
    ("failed to load age identities", "is not there"),
)
_RULES = (
    ("no matching creation rules", "has no rule for this file: `ampere secrets init` adds one"),
    ("has no creation rules", "has no rule for this file: `ampere secrets init` adds one"),
    ("Could not unmarshal config", "is no YAML that sops understands"),
    ("age public key", "names an age recipient that is none: one begins with age1"),
)


def opening(sealed: SealedFile, answer: Answer) -> SecretsError:
    """Say why ``sops`` could not open the file, or seal it again."""
    if answer.status == _NO_DATA_KEY:
        return _no_key(sealed, answer.stderr)
    if answer.status in _MAC_BROKE:
        return SecretsError(
            sealed.file, f"was changed by something other than sops (its MAC broke): {RESTORE}"
        )
    return _of_rules(sealed.file, ".sops.yaml", answer) or SecretsError(
        sealed.file, f"sops refused it with status {answer.status}: {RESTORE}"
    )


def sealing(file: str, rules: Path, answer: Answer) -> SecretsError:
    """Say why ``sops`` could not seal the file for those whom ``rules`` names."""
    return _of_rules(file, rules.as_posix(), answer) or SecretsError(
        file, f"sops could not seal it for those whom {rules.as_posix()} names"
    )


def _of_rules(file: str, rules: str, answer: Answer) -> SecretsError | None:
    problems = [f"{rules} {problem}" for sign, problem in _RULES if sign in answer.stderr]
    problems = problems[:1] or azure.faults(answer.stderr)
    if not problems:
        return None
    return SecretsError(file, f"nothing was changed, sops could not seal it: {'; '.join(problems)}")


def _no_key(sealed: SealedFile, stderr: str) -> SecretsError:
    told = [f"no key at hand opens it. It is sealed for {', '.join(sealed.recipients)}"]
    told += azure.faults(stderr)
    told += _of_age(stderr)
    told.append(
        "the way out: set SOPS_AGE_KEY_FILE to the file of the age key for recovery, or have "
        "someone who can open it add your key to .sops.yaml and run `ampere secrets rotate`"
    )
    return SecretsError(sealed.file, "\n  ".join(told))


def _of_age(stderr: str) -> Iterator[str]:
    text = " ".join(stderr.replace("|", " ").split())
    for sign, state in _AGE:
        if sign in text:
            yield f"age: the key file {default_age_key_file().as_posix()} {state}"
            return
