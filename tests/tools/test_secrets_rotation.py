"""New values, new data keys, new recipients: with the real ``sops``."""

import pytest
from sops_cases import impostor, sealed_part

from ampere_infra import tools
from ampere_infra.secrets import rules, sops

pytestmark = pytest.mark.usefixtures("sops_alone")

TOKENS = {"HCLOUD_TOKEN": "aB3dE6gH" * 8, "REGISTRY_PULL_TOKEN": "ghp_Canary0Canary0Canary0"}
URL = "https://ampere.vault.azure.net/keys/sops/" + "0" * 32


def test_a_new_value_is_given_to_one_secret_alone(made):
    before = sops.decrypt(made.home)
    assert "`pulumi up -s home`" in made.run("rotate", "home", "airflow_jwt_secret")
    after = sops.decrypt(made.home)
    assert [n for n in before if before[n] != after[n]] == ["airflow_jwt_secret"]


def test_a_new_fernet_key_goes_before_the_one_that_still_opens(made):
    old = sops.decrypt(made.home)["airflow_fernet_key"]
    for _ in range(2):
        made.run("rotate", "home", "airflow_fernet_key")
        new, _, before = str(sops.decrypt(made.home)["airflow_fernet_key"]).partition(",")
        assert before == old, "Airflow opens with the old one what it sealed with it"
        old = new


def test_a_token_gets_the_new_value_that_is_given(project, monkeypatch):
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    project.run("init", "api")
    assert "has this value already" in project.run("rotate", "api", "hcloud_token", status=2)
    monkeypatch.setenv("HCLOUD_TOKEN", TOKENS["HCLOUD_TOKEN"][::-1])
    project.run("rotate", "api", "hcloud_token")
    assert sops.decrypt(project.api)["hcloud_token"] == TOKENS["HCLOUD_TOKEN"][::-1]
    monkeypatch.delenv("HCLOUD_TOKEN")
    assert "set HCLOUD_TOKEN" in project.run("rotate", "api", "hcloud_token", status=2)


def test_an_unknown_secret_is_answered_with_the_one_that_was_meant(made):
    text = made.run("rotate", "home", "airflow_jwt_secert", status=2)
    assert "did you mean airflow_jwt_secret?" in text


def test_a_new_data_key_keeps_the_values_and_takes_the_recipients_of_the_rules(made, tmp_path):
    values, enc = sops.decrypt(made.home), sealed_part(made.home)["age"][0]["enc"]
    other = sops.make_age_key(tmp_path / "other.txt")
    mine = rules.of(made.home).age
    rules.write(made.folder / ".sops.yaml", made.home, rules.Recipients((*mine, other)))
    assert "is not sealed for age " + other in made.run("check", status=1)
    made.run("rotate", "home")
    assert {key["recipient"] for key in sealed_part(made.home)["age"]} == {*mine, other}
    assert sealed_part(made.home)["age"][0]["enc"] != enc, "the data key is a new one"
    assert sops.decrypt(made.home) == values
    made.run("check")
    rules.write(made.folder / ".sops.yaml", made.home, rules.Recipients(mine))
    assert "which .sops.yaml does not name" in made.run("check", status=1)


def test_a_file_without_a_rule_is_not_rotated(made):
    (made.folder / ".sops.yaml").unlink()
    before = made.home.read_bytes()
    assert "no .sops.yaml is there for it" in made.run("rotate", "home", status=1)
    assert made.home.read_bytes() == before


def test_a_vault_that_does_not_answer_leaves_the_file_to_be_sealed_later(made, azure, monkeypatch):
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    url = azure.vault("ampere-test").add_version("sops")
    before, azure.down = made.home.read_bytes(), True
    assert "`ampere secrets rotate home`" in made.run("adopt", "--sops-key", url, status=1)
    assert made.home.read_bytes() == before
    assert f"is not sealed for {url}" in made.run("check", status=1)
    azure.down = False
    made.run("rotate", "home")
    made.run("check")


def test_the_foundations_key_is_adopted_beside_the_age_key(made, azure, monkeypatch, tmp_path):
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    url = azure.vault("ampere-test").add_version("sops")
    program = impostor(
        tmp_path,
        "import json\nprint(json.dumps({"
        f"'sops_key': {url!r}, 'backend_url': 'azblob://state?storage_account=x', 'other': 1, "
        "'secrets_provider': 'azurekeyvault://ampere-test.vault.azure.net/keys/p/1'}))",
    )("pulumi")
    found = tools.path
    monkeypatch.setattr(
        tools, "path", lambda name, report=None: program if name == "pulumi" else found(name)
    )
    age, values = rules.of(made.home).age, sops.decrypt(made.home)
    text = made.run("adopt")
    assert 'pulumi login "azblob://state?storage_account=x"' in text
    assert "azurekeyvault://ampere-test" in text
    for path in (made.home, made.api):
        assert rules.of(path) == rules.Recipients(age, (url,)), "a file to come has its rule too"
    assert "is sealed for both" in made.run("adopt")
    made.run("check")
    (tmp_path / ".config/sops/age/keys.txt").unlink()
    assert sops.decrypt(made.home) == values, "the vault's key alone opens it"


def test_a_new_version_of_the_key_takes_the_old_ones_place(made, azure, monkeypatch):
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    vault = azure.vault("ampere-test")
    first, second = vault.add_version("sops"), vault.add_version("sops")
    made.run("adopt", "--sops-key", first)
    made.run("adopt", "--sops-key", second)
    assert rules.of(made.home).azure_kv == (second,)
    assert [key["version"] for key in sealed_part(made.home)["azure_kv"]] == [
        second.rpartition("/")[2]
    ]


@pytest.mark.parametrize("url", ["https://ampere.vault.azure.net/keys/sops", "sops"])
def test_an_address_without_its_version_is_wrong_input(made, url):
    before = (made.folder / ".sops.yaml").read_text()
    assert "with its version" in made.run("adopt", "--sops-key", url, status=2)
    assert (made.folder / ".sops.yaml").read_text() == before


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys\nsys.exit('error: no stack named foundation found')", "no stack named"),
        ("print('{}')", "with its version"),
        ("print('[')", "is no JSON"),
    ],
)
def test_a_foundation_that_is_not_there_is_told_with_the_other_way(
    project, monkeypatch, tmp_path, code, problem
):
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    text = project.run("adopt", status=2)
    assert problem in text
    assert not project.files


def test_an_adopted_project_begins_with_both_keys(project):
    project.run("adopt", "--sops-key", URL)
    assert rules.of(project.home).azure_kv == (URL,)
    assert len(rules.of(project.home).age) == 1, "there is always an age key for recovery"
