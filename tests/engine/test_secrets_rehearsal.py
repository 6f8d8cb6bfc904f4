"""From an empty folder to a rehearsed ``home`` with secrets of one's own."""

import json
import shutil
import subprocess

import pytest

from ampere_infra import cli, tools
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.errors import SecretsError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder, whose age key lies beside it."""
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "user" / "age.txt"))
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def secrets(project, *arguments):
    return cli.main(["secrets", *arguments, "--folder", str(project)])


def test_home_is_rehearsed_with_secrets_that_init_made_and_the_vault_alone_opens(
    project, azure, monkeypatch, tmp_path, capfd
):
    assert secrets(project, "init", "home") == 0
    assert secrets(project, "check", "home") == 0

    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    url = azure.vault("ampere-test").add_version("sops")
    assert secrets(project, "adopt", "--sops-key", url) == 0
    assert secrets(project, "check", "home") == 0
    file = project / "secrets" / "home.enc.yaml"
    assert rules.of(file).azure_kv == (url,)
    values = sops.decrypt(file)

    (tmp_path / "user" / "age.txt").rename(tmp_path / "recovery.txt")
    capfd.readouterr()
    out = str(tmp_path / "out")
    status = cli.main(["rehearse", "home", "--secrets", str(file), "--out", out])
    shown = capfd.readouterr()
    assert status == 0, shown.out
    assert "0 left after destroy" in shown.out
    assert "0 secrets in clear" in shown.out
    assert not any(str(value) in shown.out + shown.err for value in values.values())

    azure.vaults.clear()
    with pytest.raises(SecretsError, match="no key at hand opens it"):
        sops.decrypt(file)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "recovery.txt"))
    assert sops.decrypt(file) == values, "the age key alone opens it too"


def test_adopt_reads_the_outputs_of_the_foundation_from_the_real_engine(
    project, monkeypatch, tmp_path, capfd
):
    url = f"https://ampere.vault.azure.net/keys/sops/{'0' * 32}"
    outputs = {"sops_key": url, "backend_url": "azblob://state?storage_account=ampere"}
    stack = "urn:pulumi:foundation::ampere::pulumi:pulumi:Stack::ampere-foundation"
    resource = {"urn": stack, "type": "pulumi:pulumi:Stack", "custom": False, "outputs": outputs}
    state = {"manifest": {"time": "2026-01-01T00:00:00Z"}, "resources": [resource]}
    (tmp_path / "state.json").write_text(json.dumps({"version": 3, "deployment": state}))
    shutil.copy(cli.PROJECT / "Pulumi.yaml", project)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "backend").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    (tmp_path / "backend").mkdir()

    assert secrets(project, "adopt") == 2, "there is no such stack yet"
    assert "or say it: `ampere secrets adopt --sops-key URL`" in capfd.readouterr().err
    for arguments in (
        ("init", "foundation"),
        ("import", "--stack", "foundation", "--file", str(tmp_path / "state.json")),
    ):
        command = [tools.path("pulumi"), "stack", *arguments, "--non-interactive"]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    assert secrets(project, "adopt") == 0
    assert rules.of(project / "secrets" / "home.enc.yaml").azure_kv == (url,)
    assert f'pulumi login "{outputs["backend_url"]}"' in capfd.readouterr().out
