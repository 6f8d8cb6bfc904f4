"""What the foundation's outputs are for: the real Pulumi with a key of a vault, rotated or not."""

from __future__ import annotations

import os
import subprocess

import pytest

VALUE = "canary-of-the-state"


@pytest.fixture
def pulumi(tool, tmp_path, azure):
    """Run the real engine in a folder of its own, with Azure's identity of a machine."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: ampere\nruntime: python\n")
    (tmp_path / "state").mkdir()
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PULUMI_")}
    environment |= azure.environment | {
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }

    def run(*arguments, **more):
        return subprocess.run(
            [tool("pulumi"), "--non-interactive", *arguments],
            cwd=project,
            env=environment | more,
            input=VALUE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def provider(url):
    """The output ``secrets_provider`` of a key's address, as ``stacks/foundation.py`` makes it."""
    return url.replace("https://", "azurekeyvault://", 1)


def made(pulumi, secrets_provider):
    init = pulumi("stack", "init", "home", "--secrets-provider", secrets_provider)
    assert init.returncode == 0, init.stderr
    kept = pulumi("config", "set", "--secret", "canary", "--stack", "home")
    assert kept.returncode == 0, kept.stderr


def test_pulumi_encrypts_with_the_key_and_needs_no_passphrase(pulumi, azure, tmp_path):
    vault = azure.vault("ampere-test")
    made(pulumi, provider(vault.add_version("sops")))
    settings = (tmp_path / "project" / "Pulumi.home.yaml").read_text()
    assert VALUE not in settings
    assert "azurekeyvault://ampere-test.vault.azure.net/keys/sops/" in settings
    assert pulumi("config", "get", "canary", "--stack", "home").stdout.strip() == VALUE
    assert {call.path.rpartition("/")[2] for call in azure.calls if call.host == vault.host} == {
        "encrypt",
        "decrypt",
    }, "a key for these two operations is all that it takes"


def test_a_rotated_key_still_opens_what_its_older_version_closed(pulumi, azure):
    vault = azure.vault("ampere-test")
    made(pulumi, provider(vault.add_version("sops")))
    vault.add_version("sops")
    assert pulumi("config", "get", "canary", "--stack", "home").stdout.strip() == VALUE


def test_without_its_version_a_rotated_key_opens_nothing_any_more(pulumi, azure):
    vault = azure.vault("ampere-test")
    made(pulumi, provider(vault.add_version("sops").rpartition("/")[0]))
    vault.add_version("sops")
    lost = pulumi("config", "get", "canary", "--stack", "home")
    assert lost.returncode != 0, "this is why the output names the version"
    assert VALUE not in lost.stdout + lost.stderr


def test_without_the_role_pulumi_opens_nothing(pulumi, azure):
    vault = azure.vault("ampere-test")
    made(pulumi, provider(vault.add_version("sops")))
    vault.roles.clear()
    refused = pulumi("config", "get", "canary", "--stack", "home")
    assert refused.returncode != 0
    assert VALUE not in refused.stdout + refused.stderr


def test_a_state_moves_from_a_folder_to_where_the_key_protects_it(pulumi, azure, tmp_path):
    """As docs/foundation.md has it, but for the container, which only Azure has."""
    url = provider(azure.vault("ampere-test").add_version("sops"))
    file = str(tmp_path / "foundation.json")
    (tmp_path / "moved").mkdir()
    begun = {"PULUMI_CONFIG_PASSPHRASE": "nothing here is secret"}
    there = {"PULUMI_BACKEND_URL": (tmp_path / "moved").as_uri()}
    for environment, step in (
        (begun, ("stack", "init", "foundation")),
        (begun, ("stack", "change-secrets-provider", url, "--stack", "foundation")),
        ({}, ("stack", "export", "--stack", "foundation", "--file", file)),
        (there, ("stack", "init", "foundation", "--secrets-provider", url)),
        (there, ("stack", "import", "--stack", "foundation", "--file", file)),
        (there, ("config", "set", "--secret", "canary", "--stack", "foundation")),
        (there, ("stack", "output", "--stack", "foundation")),
    ):
        done = pulumi(*step, **environment)
        assert done.returncode == 0, f"{step}: {done.stderr}"
    settings = (tmp_path / "project" / "Pulumi.foundation.yaml").read_text()
    assert "azurekeyvault://" in settings
    assert "encryptionsalt" not in settings, "no passphrase is asked for any more"
