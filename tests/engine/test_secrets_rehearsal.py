"""From an empty folder to a rehearsed ``home`` with secrets of one's own."""

import pytest

from ampere_infra import cli
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
