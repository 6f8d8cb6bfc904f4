"""The settings of ``foundation``: what a person may want, and what ``check`` says of it."""

from __future__ import annotations

import copy

import pytest
import yaml
from settings_cases import PROJECT, mistakes_of, patched

from ampere_infra.check import check

STACK_FILE = PROJECT / "Pulumi.foundation.yaml"
REAL = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))["config"]


@pytest.mark.parametrize(
    "patch",
    [
        {"ampere:key": {"rotate_after_days": 365, "expire_after_days": 730}},
        {"ampere:key": {"bits": 4096, "name": "sops-2027"}},
        {"ampere:github": {"branches": {"<replace>": []}, "environments": ["production"]}},
        {"ampere:github": {"branches": {"<replace>": ["release/1.2"]}, "pull_requests": False}},
        {"ampere:vault": {"recover": True}},
        {"ampere:key": "<delete>"},
        {"ampere:azure": {"location": "eastus2"}},
    ],
    ids=str,
)
def test_what_a_person_may_want_is_accepted(patch):
    assert mistakes_of(patched(patch, copy.deepcopy(REAL)), "foundation") == []


def test_check_says_what_the_stack_is(capsys):
    assert check("foundation", STACK_FILE) == 0
    out = capsys.readouterr().out
    for part in (
        "https://ampere-kv-7c21.vault.azure.net/keys/sops, RSA 3072",
        "azblob://pulumi?storage_account=amperestate7c21",
        "oppie/ampere, branch main",
        "pull requests, without changing the state",
    ):
        assert part in out
    assert all(len(line) <= 100 for line in out.splitlines())
