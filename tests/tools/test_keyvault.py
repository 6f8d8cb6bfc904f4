"""Files that a Key Vault opens, by the real ``sops`` and Key Vault's wire protocol."""

import json
import sys
import threading

import pytest
import yaml
from keyvault_cases import sealed_for_both
from sops_cases import editor, refused, rule, sealed_part

from ampere_infra.secrets import sops
from ampere_infra.secrets.model import generate
from tests.keyvault.server import DEVELOPER, TENANT
from tests.keyvault.vault import OAEP, Identity, unwrapped

pytestmark = pytest.mark.usefixtures("sops_alone")
OTHER = "99999999-9999-9999-9999-999999999999"


@pytest.fixture
def both(tmp_path, azure, monkeypatch):
    return sealed_for_both(tmp_path, azure, generate("home"), monkeypatch)


def calls(azure):
    return [(call.host, call.method, call.path.rpartition("/")[2], call.status) for call in azure]


def test_the_vault_alone_opens_it(both):
    assert sops.decrypt(both.path) == both.values
    assert calls(both.azure.calls) == [
        (both.vault.host, "POST", "decrypt", 401),
        ("127.0.0.1", "GET", "token", 200),
        (both.vault.host, "POST", "decrypt", 200),
    ]


def test_the_age_key_alone_opens_it_and_nobody_asks_azure(both, monkeypatch):
    both.azure.vaults.clear()
    both.azure.entra.machine = None
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(both.age_key))
    assert sops.decrypt(both.path) == both.values
    assert both.azure.calls == []


def test_with_neither_the_error_tells_who_lacks_what_and_the_way_out(both):
    both.vault.roles.clear()
    text = refused(both.path, both.values)
    assert f"sealed for age {both.recipient}, {both.url}" in text
    assert f"identity {DEVELOPER.object_id}" in text, "which identity was tried"
    assert "lacks the role `Key Vault Crypto User` on vault ampere-test" in text
    assert "set SOPS_AGE_KEY_FILE to the file of the age key for recovery" in text
    assert "keys.txt is not there" in text, "and where an age key was looked for"


def test_both_keys_are_of_one_group_so_that_either_opens_it(both):
    envelope = sealed_part(both.path)
    assert "key_groups" not in envelope, "SOPS keeps one group at its top"
    assert [key["recipient"] for key in envelope["age"]] == [both.recipient]
    (key,) = envelope["azure_kv"]
    assert f"{key['vault_url']}/keys/{key['name']}/{key['version']}" == both.url


def test_the_data_key_is_wrapped_with_rsa_oaep_256(both):
    (key,) = sealed_part(both.path)["azure_kv"]
    assert len(both.version.key.decrypt(unwrapped(key["enc"]), OAEP)) == 32


def test_ci_opens_it_with_a_token_of_githubs_and_no_secret(both, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("as GitHub issued it")
    azure = both.azure
    azure.entra.applications[OTHER] = DEVELOPER
    azure.entra.federated[OTHER] = "as GitHub issued it"
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name)
    for name, value in azure.federated(OTHER, tmp_path / "token").items():
        monkeypatch.setenv(name, value)
    assert sops.decrypt(both.path) == both.values


def az(folder, monkeypatch, code):
    """Put an Azure CLI into the way of sops; it runs ``code``."""
    program = folder / "bin" / "az"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCLICredential")


def test_a_developer_who_logged_in_with_az_opens_it(both, monkeypatch, tmp_path):
    both.azure.entra.tokens["token-of-az"] = DEVELOPER
    token = {"accessToken": "token-of-az", "expires_on": 4102444800, "tenant": TENANT}
    az(tmp_path, monkeypatch, f"print({json.dumps(token)!r})")
    assert sops.decrypt(both.path) == both.values


def test_a_login_of_az_without_the_role_is_told_as_one(both, monkeypatch, tmp_path):
    cli = Identity(TENANT, OTHER, "04b07795-8ddb-461a-bbee-02f9e1bf7b46")
    both.azure.entra.tokens["token-of-az"] = cli
    token = {"accessToken": "token-of-az", "expires_on": 4102444800, "tenant": TENANT}
    az(tmp_path, monkeypatch, f"print({json.dumps(token)!r})")
    text = refused(both.path, both.values)
    assert f"identity {OTHER} (logged in by `az login`, tenant {TENANT}) may not decrypt" in text


def test_an_expired_login_of_az_is_told(both, monkeypatch, tmp_path):
    said = "ERROR: AADSTS700082: The refresh token has expired due to inactivity."
    az(tmp_path, monkeypatch, f"sys.exit({said!r})")
    text = refused(both.path, both.values)
    assert "tried AzureCLICredential): the login has expired: `az login` again" in text


def test_a_new_version_of_the_key_takes_over_and_the_old_one_opened_the_file_until_then(both):
    url = both.vault.add_version("sops")
    assert sops.decrypt(both.path) == both.values
    rule(both.path, [both.recipient], [url])
    assert sops.update_keys(both.path) is True
    assert sealed_part(both.path)["azure_kv"][0]["version"] == url.rpartition("/")[2]
    del both.vault.keys["sops"][both.id]
    assert sops.decrypt(both.path) == both.values


def test_rules_without_a_version_get_the_newest_written_into_the_file(both):
    key = {"vaultUrl": both.vault.url, "key": "sops", "version": ""}
    rules = {"creation_rules": [{"key_groups": [{"azure_keyvault": [key]}]}]}
    (both.path.parent / ".sops.yaml").write_text(yaml.safe_dump(rules))
    newest = both.vault.add_version("sops").rpartition("/")[2]
    sops.encrypt(both.values, both.path)
    assert sealed_part(both.path)["azure_kv"][0]["version"] == newest
    both.vault.roles.clear()
    text = refused(both.path, both.values, lambda: sops.encrypt(both.values, both.path))
    assert "may not read it: it lacks the role `Key Vault Crypto User`" in text


def test_all_changes_work_with_the_vault_alone(both, monkeypatch, tmp_path):
    sops.set_value(both.path, "minio_root_password", "another-value")
    sops.rotate(both.path)
    editor(monkeypatch, tmp_path, "file.write_text(file.read_text() + 'more: new value\\n')")
    assert sops.edit(both.path) is True
    changed = {"minio_root_password": "another-value", "more": "new value"}
    assert sops.decrypt(both.path) == both.values | changed


def test_what_a_vault_fails_to_answer_once_is_asked_again(both):
    both.azure.failing = 1
    assert sops.decrypt(both.path) == both.values


def test_several_files_are_opened_side_by_side(both):
    paths = [both.path.with_name(f"{number}.enc.yaml") for number in range(3)]
    for path in paths:
        path.write_bytes(both.path.read_bytes())
    together = threading.Barrier(len(paths))
    both.azure.before_answer = lambda path: together.wait(60)
    assert sops.decrypt_all(paths) == dict.fromkeys(paths, both.values)
