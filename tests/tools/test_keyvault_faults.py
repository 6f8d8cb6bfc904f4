"""Each way in which Azure says no, and what is then told."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from keyvault_cases import sealed_for_both
from sops_cases import refused

from ampere_infra import tools
from ampere_infra.secrets import run, sops
from ampere_infra.secrets.model import generate
from tests.keyvault.server import DEVELOPER, TENANT
from tests.keyvault.vault import CRYPTO_USER, Identity

pytestmark = pytest.mark.usefixtures("sops_alone")
OTHER = "99999999-9999-9999-9999-999999999999"


@pytest.fixture
def both(tmp_path, azure, monkeypatch):
    return sealed_for_both(tmp_path, azure, generate("home"), monkeypatch)


def test_a_vault_that_is_down_is_told_when_sops_gave_up(both):
    both.azure.down = True
    text = refused(both.path, both.values)
    assert "vault ampere-test, key sops: the vault was not reached: look at the network" in text
    assert "set SOPS_AGE_KEY_FILE" in text


def test_a_vault_that_is_out_of_order_is_told(both):
    both.azure.failing = 99
    assert "the vault is out of order: try again" in refused(both.path, both.values)


def test_a_vault_that_hangs_is_given_up_at_the_limit(both, monkeypatch):
    both.azure.hanging = True
    monkeypatch.setattr(run, "LIMIT_SECONDS", 1.0)
    text = refused(both.path, both.values)
    assert "did not end within 1 s: is ampere-test.vault.azure.net reachable" in text
    assert "an age key, in SOPS_AGE_KEY_FILE, needs no network" in text


def test_a_login_that_hangs_is_given_up_too(both, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{both.azure.silent_port}/token")
    monkeypatch.setattr(run, "LIMIT_SECONDS", 1.0)
    assert "did not end within 1 s" in refused(both.path, both.values)


def test_ctrl_c_ends_all_that_are_being_opened(both):
    both.azure.hanging = True
    paths = [both.path.with_name(f"{number}.enc.yaml") for number in range(3)]
    for path in paths:
        path.write_bytes(both.path.read_bytes())
    code = (
        "import pathlib, sys\nfrom ampere_infra.secrets import sops\n"
        "sops.decrypt_all(map(pathlib.Path, sys.argv[1:]))"
    )
    waiting = threading.Semaphore(0)
    both.azure.before_answer = lambda path: waiting.release()
    environment = {**os.environ, "AMPERE_SOPS": str(tools.path("sops"))}
    command = [sys.executable, "-c", code, *map(str, paths)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        for _ in paths:
            assert waiting.acquire(timeout=60)
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate()[1]
    assert not both.azure.waited_out, "nobody stayed for the answer"


def test_a_wrong_tenant_is_told_with_both_tenants(both):
    both.azure.entra.machine = Identity(OTHER, DEVELOPER.object_id, DEVELOPER.app_id)
    text = refused(both.path, both.values)
    assert f"is of tenant {OTHER}, the vault of {TENANT}: `az login --tenant {TENANT}`" in text


def test_a_disabled_key_is_told_with_the_command_that_enables_it(both):
    both.version.enabled = False
    text = refused(both.path, both.values)
    assert f"its version {both.id} is disabled: `az keyvault key set-attributes --enabled" in text


def test_a_disabled_key_still_seals_as_azure_lets_it(both):
    both.version.enabled = False
    sops.encrypt(both.values, both.path)
    assert "is disabled" in refused(both.path, both.values)


def test_a_key_version_that_is_gone_is_told_with_the_ways_back(both):
    del both.vault.keys["sops"][both.id]
    text = refused(both.path, both.values)
    assert f"its version {both.id} is not in the vault any more: `az keyvault key recover" in text
    assert "open the file with the age key and seal it for the new version" in text


def test_a_key_of_the_same_name_that_is_another_is_told(both):
    both.vault.keys["sops"][both.id] = both.vault.keys["sops"].pop(both.id)
    other = both.vault.add_version("sops").rpartition("/")[2]
    both.vault.keys["sops"][both.id] = both.vault.keys["sops"][other]
    assert "the vault's key does not open what this file holds" in refused(both.path, both.values)


def test_nobody_logged_in_is_told_with_what_was_tried(both):
    both.azure.entra.machine = None
    text = refused(both.path, both.values)
    assert "no identity could log in to Azure (tried ManagedIdentityCredential): log in" in text


def test_of_several_kinds_of_login_all_are_named(both, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    wanted = "AzureCLICredential, AzureDeveloperCLICredential, AzurePowerShellCredential"
    assert f"(tried {wanted})" in refused(both.path, both.values)


def test_an_unknown_kind_of_login_is_told(both, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "mine")
    assert "AZURE_TOKEN_CREDENTIALS names no kind of login" in refused(both.path, both.values)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"AZURE_CLIENT_ID": TENANT}, "AZURE_CLIENT_ID is no application of that tenant"),
        ({}, "no federated identity fits the token: another repository"),
        ({"AZURE_TENANT_ID": OTHER}, f"the vault is in tenant {TENANT}, and AZURE_TENANT_ID"),
    ],
)
def test_a_login_of_ci_that_fails_is_told(both, monkeypatch, tmp_path, changed, told):
    (tmp_path / "token").write_text("of another branch")
    both.azure.entra.applications[OTHER] = DEVELOPER
    both.azure.entra.federated[OTHER] = "of main"
    environment = both.azure.federated(OTHER, tmp_path / "token") | changed
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = refused(both.path, both.values)
    assert "tried WorkloadIdentityCredential" in text
    assert told in text


def test_a_certificate_that_is_not_trusted_is_told(both, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    assert "shows a certificate that is not trusted" in refused(both.path, both.values)


@pytest.mark.parametrize("action", ["encrypt", "decrypt"])
def test_a_role_that_lacks_one_action_is_told_with_it(both, monkeypatch, action):
    both.vault.roles[DEVELOPER.object_id] = CRYPTO_USER - {f"{action}/action"}
    text = refused(both.path, both.values, lambda: sops.rotate(both.path))
    assert f"may not {action} it: it lacks the role `Key Vault Crypto User`" in text


def test_what_could_not_be_sealed_is_left_as_it_was(both, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(both.age_key))
    before = both.path.read_bytes()
    both.vault.roles.clear()
    for call in (
        lambda: sops.rotate(both.path),
        lambda: sops.encrypt({**both.values, "more": "of it"}, both.path),
    ):
        assert "nothing was changed" in refused(both.path, both.values, call)
    assert both.path.read_bytes() == before
    assert {p.name for p in both.path.parent.iterdir()} == {"age.txt", ".sops.yaml", both.path.name}
