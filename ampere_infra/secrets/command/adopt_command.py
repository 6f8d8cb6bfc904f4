"""``ampere secrets adopt``: the foundation's key, beside the age key."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, cast

from ampere_infra import tools
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.command import store
from ampere_infra.secrets.command.place import FINE, Place, WrongInputError, say
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.model import MODELS
from ampere_infra.secrets.recipients import AzureKey, Recipients

if TYPE_CHECKING:
    import argparse

LIMIT_SECONDS = 120.0
"""The state lies in Azure, and logging in may take some."""
_WITHOUT = "or say it: `ampere secrets adopt --sops-key URL`"


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Write the rules, and seal what is there for the key too."""
    outputs = {"sops_key": chosen.sops_key} if chosen.sops_key else _outputs(place)
    key = AzureKey.parse(outputs.get("sops_key", ""))
    if key is None:
        raise WrongInputError(
            "sops_key must be a key's address with its version, "
            "https://NAME.vault.azure.net/keys/KEY/VERSION"
        )
    for stack in MODELS:
        _write_rule(place, stack, key)
    for stack in MODELS:
        _seal(place, stack)
    for line in _to_paste(outputs):
        say(line)
    return FINE


def _write_rule(place: Place, stack: str, key: AzureKey) -> None:
    path = place.file(stack)
    try:
        age = rules.of(path).age
    except rules.NoRuleError:
        other = store.others(place)
        age = other.age if other else ()
    recipients = Recipients(age or (store.own_age_key(),), (str(key),))
    where = rules.find(path) or place.rules
    if rules.write(where, path, recipients):
        say(f"{place.shown(where)}: either of these opens {place.shown(path)}")
        for name in sorted(recipients.named):
            say(f"  {name}")


def _seal(place: Place, stack: str) -> None:
    path = place.file(stack)
    if not path.exists():
        return
    try:
        changed = sops.update_keys(path)
    except SecretsError as error:
        later = f"its rule is written; `ampere secrets rotate {stack}` seals it for both later"
        raise SecretsError(error.file, *error.problems, later) from None
    say(f"{place.shown(path)}: {'sealed for both' if changed else 'is sealed for both'}")


def _outputs(place: Place) -> dict[str, str]:
    try:
        pulumi = tools.path("pulumi")
        answer = subprocess.run(
            [pulumi, "stack", "output", "--json", "--non-interactive", "--stack", "foundation"],
            cwd=place.folder,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=LIMIT_SECONDS,
        )
    except tools.BuildError as error:
        raise WrongInputError(f"pulumi is not there: {error}", _WITHOUT) from None
    except subprocess.TimeoutExpired:
        raise WrongInputError(
            f"pulumi did not tell the outputs of foundation within {LIMIT_SECONDS:g} s", _WITHOUT
        ) from None
    if answer.returncode != 0:
        raise WrongInputError(
            f"pulumi does not tell the outputs of foundation: {answer.stderr.strip()}", _WITHOUT
        )
    try:
        outputs = cast("dict[str, object]", json.loads(answer.stdout))
    except ValueError:
        raise WrongInputError("what pulumi tells of foundation is no JSON", _WITHOUT) from None
    return {name: value for name, value in outputs.items() if isinstance(value, str)}


def _to_paste(outputs: dict[str, str]) -> list[str]:
    lines: list[str] = []
    if backend := outputs.get("backend_url"):
        lines.append(f'pulumi login "{backend}"')
    if provider := outputs.get("secrets_provider"):
        lines.append(f'pulumi stack init home --secrets-provider "{provider}"')
    return (
        ["for the state in Azure, at your terminal:", *(f"  {line}" for line in lines)]
        if lines
        else []
    )
