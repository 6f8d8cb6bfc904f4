"""The whole ``foundation``, from the project's own stack file, as a person sees it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from drill import FOUNDATION, HOME, Drill, fast_folder
from rehearsals import rehearsal

from ampere_infra.rehearsal.keeping import imports
from ampere_infra.rehearsal.places.azure import Azure, Thing
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World
from ampere_infra.settings.load import read_stack_file

KEY_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
"""Key Vault Crypto User, by Microsoft's list of built-in roles; so are the next two."""
STATE_WRITER = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
STATE_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
PROTECTED = {"group", "vault", "key", "account", "blobs", "container"}
KEPT = {"resourceGroups", "vaults", "keys", "storageAccounts", "blobServices", "containers"}
VERSION = "[0-9a-f]{32}"


@pytest.fixture(scope="module")
def rehearsed():
    with rehearsal("foundation", FOUNDATION) as found:
        yield found


@pytest.fixture(scope="module")
def drill():
    """A stack whose runs begin where the test says: from nothing, or complete."""
    with Drill(stack="foundation", config_file=FOUNDATION) as found:
        up = found.stage.engine.up()
        assert up.ok, up.output
        imports(found.stage.engine.export(), found._strays)
        found.save("up")
        yield found


@pytest.fixture
def up(drill):
    drill.restore("up")
    drill.stage.project.write(read_stack_file(FOUNDATION))
    return drill


def azure(drill) -> Azure:
    return drill.world.part(Azure)


def kind(drill, end: str) -> list[dict[str, Any]]:
    return [t.inputs for t in azure(drill).things.values() if t.type.endswith(end)]


def write(drill, section: str, **values: object) -> None:
    config: dict[str, Any] = read_stack_file(FOUNDATION)
    config[f"ampere:{section}"] |= values
    drill.stage.project.write(config)


def test_a_rehearsal_passes_its_verdict(rehearsed):
    assert rehearsed.code == 0, rehearsed.said
    assert re.match(
        r"\d+ created, 0 changed on the second up, 0 left after destroy; 0 changed after a refresh",
        rehearsed.lines[-1],
    )


def test_a_rehearsal_shows_that_destroy_keeps_the_vault_and_the_state(rehearsed):
    said = rehearsed.said
    refused = next(line for line in rehearsed.lines if line.startswith("destroy: refused"))
    spared = next(line for line in rehearsed.lines if "--exclude-protected" in line)
    for name in PROTECTED:
        assert name in refused
        assert name in spared
    assert said.index("--exclude-protected") < said.index("state unprotect"), (
        "only after so many words are they gone"
    )
    assert "Azure keeps the deleted vault ampere-kv-7c21 and 1 key of it for 90 days" in said


def test_a_rehearsal_writes_what_an_import_takes(rehearsed):
    folder = rehearsed.folder / "rendered" / "azure"
    vault = json.loads((folder / "import" / "vault-Vault.json").read_text())
    assert vault["resources"][0]["id"].endswith("/vaults/ampere-kv-7c21")
    assert vault["nameTable"]["owner"].endswith("ampere:foundation:KeyVault::keys")
    assert "resources.json" in {path.name for path in folder.iterdir()}


def test_the_outputs_are_what_sops_and_pulumi_take(up):
    outputs = up.stage.engine.outputs()
    host = "ampere-kv-7c21.vault.azure.net"
    assert re.fullmatch(f"https://{host}/keys/sops/{VERSION}", outputs["sops_key"])
    assert outputs["backend_url"] == "azblob://pulumi?storage_account=amperestate7c21"
    assert outputs["secrets_provider"] == outputs["sops_key"].replace("https", "azurekeyvault")
    assert set(outputs["github_variables"]) == {
        "AZURE_TENANT_ID",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_ID_PREVIEW",
    }


def test_nothing_of_it_is_secret(up):
    state = json.dumps(up.stage.engine.export(show_secrets=True))
    for word in ("secretText", "clientSecret", "accountKey", "connectionString", "ciphertext"):
        assert word not in state


def test_the_vault_is_opened_by_roles_alone_and_cannot_be_purged(up):
    vault = kind(up, "vaults")[0]["properties"]
    assert vault["enableRbacAuthorization"] is True
    assert vault["enableSoftDelete"] is True
    assert vault["enablePurgeProtection"] is True
    assert vault["softDeleteRetentionInDays"] == 90
    assert "accessPolicies" not in vault


def test_the_key_encrypts_and_decrypts_and_rotates(up):
    key = kind(up, "/keys")[0]["properties"]
    assert (key["kty"], key["keySize"], key["keyOps"]) == ("RSA", 3072, ["encrypt", "decrypt"])
    assert key["rotationPolicy"]["lifetimeActions"] == [
        {"action": {"type": "rotate"}, "trigger": {"timeAfterCreate": "P365D"}}
    ]


def test_the_state_is_versioned_and_neither_public_nor_opened_by_keys(up):
    account = kind(up, "storageAccounts")[0]
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert kind(up, "/containers")[0]["publicAccess"] == "None"
    blobs = kind(up, "blobServices")[0]
    assert blobs["isVersioningEnabled"] is True
    assert blobs["deleteRetentionPolicy"] == {"enabled": True, "days": 90}
    assert blobs["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 90}


def test_each_gets_the_roles_that_the_work_takes_and_no_other(up):
    names = {t.found.get("principalId"): t.name for t in azure(up).things.values()}
    given = {
        (
            names.get(role["principalId"], role["principalId"]),
            role["roleDefinitionId"].rpartition("/")[2],
            role["scope"].rpartition("/")[2],
        )
        for role in kind(up, "roleAssignments")
    }
    person = "5f0c1d9e-2b7a-4c1e-9a55-0d3f6b8e7c21"
    assert given == {
        (person, KEY_USER, "sops"),
        (person, STATE_WRITER, "pulumi"),
        ("github-deploy", KEY_USER, "sops"),
        ("github-deploy", STATE_WRITER, "pulumi"),
        ("github-preview", KEY_USER, "sops"),
        ("github-preview", STATE_READER, "pulumi"),
    }, "each for one key and one container, none for a vault, an account, a group"


def test_jobs_are_let_in_by_their_tokens_letter_by_letter(up):
    credentials = kind(up, "federatedIdentityCredentials")
    assert {(c["resourceName"], c["subject"]) for c in credentials} == {
        ("github-deploy", "repo:oppie/ampere:ref:refs/heads/main"),
        ("github-preview", "repo:oppie/ampere:pull_request"),
    }
    assert {(c["issuer"], *c["audiences"]) for c in credentials} == {
        ("https://token.actions.githubusercontent.com", "api://AzureADTokenExchange")
    }


def test_credentials_of_one_identity_are_written_one_after_the_other(up):
    write(up, "github", environments=["production", "staging"])
    assert up.stage.engine.up().ok
    resources = up.stage.engine.export()["deployment"]["resources"]
    credentials = {
        r["urn"]: r
        for r in resources
        if r["type"].endswith("FederatedIdentityCredential") and "github-deploy" in r["urn"]
    }
    assert len(credentials) == 3
    waiting = [r for r in credentials.values() if credentials.keys() & set(r["dependencies"])]
    assert len(waiting) == 2, "Entra refuses two writes at once"


def test_a_plain_destroy_is_refused_and_deletes_nothing(up):
    before = up.world.snapshot()
    refused = up.stage.engine._operate("destroy", "--yes", on_step=None)
    assert not refused.ok
    assert any("protected" in text for text in refused.errors)
    assert up.world.snapshot() == before


def test_even_a_destroy_that_looks_at_no_plan_leaves_what_is_protected(up):
    assert not up.stage.engine.destroy("--skip-preview").ok
    assert {thing.type.rpartition("/")[2] for thing in azure(up).things.values()} >= KEPT


def test_a_destroy_of_the_rest_keeps_every_protected_thing_in_azure(up):
    assert up.stage.engine.destroy("--exclude-protected").ok
    kinds = {thing.type.rpartition("/")[2] for thing in azure(up).things.values()}
    assert kinds == KEPT


def recovered(drill) -> str:
    """Have the deleted vault back as docs/foundation.md says; return the key's address."""
    engine = drill.stage.engine
    refused = engine.up()
    assert not refused.ok
    assert "already exists in deleted state" in refused.output, "Azure itself says why"
    write(drill, "vault", recover=True)
    half = engine.up()
    assert re.search("cannot create already existing resource '.*/keys/sops'", half.output), (
        "the key came back with the vault, and the provider takes nothing over"
    )
    assert drill._import(half)
    assert engine.up().ok
    write(drill, "vault", recover=False)
    assert engine.up().ok
    assert engine.up().changed == 0
    return engine.outputs()["sops_key"]


def test_a_destroyed_vault_holds_its_name_until_it_is_recovered_with_its_key(up):
    before = up.stage.engine.outputs()["sops_key"]
    up.stage.engine.unprotect()
    assert up.stage.engine.destroy().ok
    assert list(azure(up).deleted_vaults) == ["ampere-kv-7c21"]
    assert recovered(up) == before, "the files open again"


def test_a_vault_that_somebody_deleted_by_hand_is_recovered_in_the_same_way(up):
    before, complete = up.stage.engine.outputs()["sops_key"], up.world.snapshot()
    azure(up).remove(next(t.id for t in azure(up).things.values() if t.type.endswith("/vaults")))
    assert up.stage.engine.refresh().ok
    assert recovered(up) == before
    assert up.world.snapshot() == complete, "the roles are assigned anew"


def test_a_rotated_key_is_another_output_and_no_change(up):
    engine = up.stage.engine
    before = engine.outputs()
    up.world.advance(timedelta(days=366))
    assert engine.refresh().ok
    assert engine.up().changed == 0, "Azure rotates by itself"
    after = engine.outputs()
    assert after["sops_key"] != before["sops_key"]
    assert after["secrets_provider"].endswith(after["sops_key"].rpartition("/")[2])
    assert key(up).versions[0].id == before["sops_key"].rpartition("/")[2], (
        "the older version is there: what it encrypted goes on opening"
    )


def key(drill) -> Thing:
    return next(t for t in azure(drill).things.values() if t.versions)


def test_what_matters_at_the_key_s_birth_only_is_said_and_changes_nothing(up):
    write(up, "key", rotate_after_days=180, bits=4096, expire_after_days=400)
    again = up.stage.engine.up()
    assert again.ok, again.output
    assert again.changed == 0
    for setting, born in (("rotate_after_days", "365"), ("bits", "3072")):
        assert re.search(rf"ampere:key\.{setting} says \d+, but .* born with {born}", again.output)
    assert "expire_after_days says 400, but the key was born with nothing" in again.output


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("azure", {"location": "northeurope"}),
        ("vault", {"name": "another-vault"}),
        ("key", {"name": "another"}),
        ("state", {"account": "anotheraccount"}),
        ("state", {"container": "another"}),
    ],
    ids=str,
)
def test_no_setting_replaces_the_vault_or_the_state(up, section, values):
    before = {t.id for t in azure(up).things.values()}
    write(up, section, **values)
    refused = up.stage.engine.up()
    assert not refused.ok
    assert any("protect" in text for text in refused.errors), refused.output
    assert before <= {t.id for t in azure(up).things.values()}


def test_a_developer_more_is_two_roles_more(up):
    ids = ["5f0c1d9e-2b7a-4c1e-9a55-0d3f6b8e7c21", "77777777-2b7a-4c1e-9a55-0d3f6b8e7c21"]
    write(up, "developers", object_ids=ids)
    more = up.stage.engine.up()
    assert more.ok
    assert [step.op for step in more.events.changes] == ["create", "create"]


def test_without_pull_requests_there_is_no_identity_for_them(up):
    write(up, "github", pull_requests=False)
    assert up.stage.engine.up().ok
    assert [i["resourceName"] for i in kind(up, "userAssignedIdentities")] == ["github-deploy"]
    assert "AZURE_CLIENT_ID_PREVIEW" not in up.stage.engine.outputs()["github_variables"]


def test_what_is_wrong_is_told_as_text_and_nothing_is_planned(up):
    operations = len(up.world.operations)
    write(up, "key", bits=1024)
    refused = up.stage.engine.up()
    assert refused.refused
    assert "ampere:key.bits" in refused.output
    assert "Traceback" not in refused.output
    assert len(up.world.operations) == operations


def test_a_rehearsal_of_home_never_loads_azure_s_sdk():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ampere_infra.rehearsal.project import Project\n"
        "from ampere_infra.rehearsal.stage import staged\n"
        f"with staged(Project('home', Path({str(HOME)!r}), Path(sys.argv[1]))) as stage:\n"
        "    assert stage.engine.preview().ok\n"
        "print(sorted(m for m in sys.modules if 'azure_native' in m))\n"
    )
    folder = fast_folder()
    run = subprocess.run(
        [sys.executable, "-c", program, folder / "out"], capture_output=True, text=True, check=True
    )
    shutil.rmtree(folder)
    loaded = run.stdout.strip().splitlines()[-1]
    assert loaded == "['ampere_infra.rehearsal.doubles.azure_native']", "it is a second of work"


def test_secrets_given_to_a_stack_that_has_none_are_wrong_input(tmp_path):
    lines: list[str] = []
    secrets = tmp_path / "home.enc.yaml"
    secrets.write_text("{}")
    code = rehearse("foundation", FOUNDATION, tmp_path / "out", secrets, say=lines.append)
    assert code == 2
    assert "foundation has no secrets; leave --secrets out" in lines[-1]


def test_without_its_group_the_stack_says_how_to_get_it(monkeypatch, tmp_path):
    for name in [m for m in sys.modules if m.startswith("ampere_infra.stacks.foundation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pulumi_azure_native", None)
    with staged(Project("foundation", FOUNDATION, tmp_path / "out"), World()) as stage:
        outcome = stage.engine.preview()
    assert outcome.refused
    assert "uv sync --locked --inexact --group foundation" in outcome.output
    assert "Traceback" not in outcome.output
