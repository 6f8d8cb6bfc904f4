"""The foundation's pure parts: names, subjects, durations; and who imports Azure's SDK."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from ampere_infra.settings.foundation import GitHub

PROJECT = Path(__file__).parents[2]
HOW = "uv sync --inexact --group foundation"
access = pytest.importorskip("ampere_infra.foundation.access", reason=HOW)
roles = pytest.importorskip("ampere_infra.foundation.roles", reason=HOW)
vault = pytest.importorskip("ampere_infra.foundation.vault", reason=HOW)
outputs = pytest.importorskip("pulumi_azure_native.keyvault.outputs", reason=HOW)
CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")


def github(**values):
    return GitHub(repository="Oppie/ampere", **values)


def test_a_branch_an_environment_and_a_pull_request_are_spelled_as_github_does():
    assert access.deploying(github(environments=("production",))) == (
        access.Subject("branch-main", "repo:Oppie/ampere:ref:refs/heads/main"),
        access.Subject("environment-production", "repo:Oppie/ampere:environment:production"),
    )
    assert access.previewing(github()) == (
        access.Subject("pull-request", "repo:Oppie/ampere:pull_request"),
    )
    assert access.previewing(github(pull_requests=False)) == ()


def test_credentials_have_names_that_azure_takes_and_tell_branches_apart():
    branches = ("release/1.2", "release-1.2", "release/1-2", "x" * 200, "x" * 199)
    names = [subject.name for subject in access.deploying(github(branches=branches))]
    assert len(set(names)) == len(branches)
    assert all(CREDENTIAL.fullmatch(name) for name in names)


def test_an_assignment_s_name_is_a_guid_and_stays_the_same():
    name = roles.assignment_name(roles.Role.KEY_USER, "github-deploy", "key")
    assert str(uuid.UUID(name)) == name
    assert name == roles.assignment_name(roles.Role.KEY_USER, "github-deploy", "key")
    others = {
        roles.assignment_name(roles.Role.STATE_WRITER, "github-deploy", "key"),
        roles.assignment_name(roles.Role.KEY_USER, "github-preview", "key"),
        roles.assignment_name(roles.Role.KEY_USER, "github-deploy", "state"),
    }
    assert len({name, *others}) == 4


@pytest.mark.parametrize("port", ["", ":443"])
def test_a_key_s_url_comes_without_a_port(port):
    url = f"https://kv-1.vault.azure.net{port}/keys/sops/{'0' * 32}"
    assert vault.without_port(url) == f"https://kv-1.vault.azure.net/keys/sops/{'0' * 32}"


def policy(after=None, life=None):
    trigger = outputs.TriggerResponse(time_after_create=after)
    return outputs.RotationPolicyResponse(
        attributes=outputs.KeyRotationPolicyAttributesResponse(
            created=1, updated=1, expiry_time=life
        ),
        lifetime_actions=[outputs.LifetimeActionResponse(trigger=trigger)],
    )


@pytest.mark.parametrize(("after", "days"), [("P365D", 365), ("P1Y", None), (None, None)])
def test_a_rotation_is_read_back_in_days(after, days):
    assert vault.rotation_days(policy(after)) == days
    assert vault.rotation_days(None) is None


def test_a_version_s_life_is_read_back_in_days():
    assert vault.expiry_days(policy(life="P730D")) == 730
    assert vault.expiry_days(policy()) is None
    assert vault.expiry_days(None) is None


def test_azure_s_sdk_is_imported_by_the_foundation_and_its_double_alone():
    allowed = ("foundation/", "stacks/foundation.py", "rehearsal/doubles/azure_native/")
    package = PROJECT / "ampere_infra"
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(?:from|import) pulumi_azure", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert found, "the search finds what there is"
    assert [path for path in found if not path.startswith(allowed)] == []


@pytest.mark.parametrize("module", ["cli", "check", "program", "stacks.home", "rehearsal.run"])
def test_nobody_else_loads_it(module):
    code = f"import sys, ampere_infra.{module}; sys.exit('pulumi_azure_native' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_of_the_foundation_knows_a_name_of_the_house():
    words = re.compile(r"oppie|192\.168|ampere-k8s|7c21|amperestate", re.IGNORECASE)
    package = PROJECT / "ampere_infra"
    files = [*(package / "foundation").glob("*.py"), package / "stacks" / "foundation.py"]
    assert [file.name for file in files if words.search(file.read_text("utf-8"))] == []


def test_whoever_needs_only_home_does_not_get_azure_s_package():
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    groups = re.search(r"^default-groups = (.*)$", text, re.MULTILINE)
    assert groups
    assert "foundation" not in groups[1], "155 MB, and a plugin to download"
    dependencies = text.partition("[project.scripts]")[0]
    assert "azure" not in dependencies
