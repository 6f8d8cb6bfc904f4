"""The double of Azure refuses, replaces, keeps and reads back as azure-native and Azure do."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from providers import RefusedError, message, providers, value

from ampere_infra.rehearsal.doubles.values import UNKNOWN
from ampere_infra.rehearsal.places.azure import Azure

GROUP = "azure-native:resources:ResourceGroup"
VAULT, KEY = "azure-native:keyvault:Vault", "azure-native:keyvault:Key"
ACCOUNT = "azure-native:storage:StorageAccount"
BLOBS = "azure-native:storage:BlobServiceProperties"
CONTAINER = "azure-native:storage:BlobContainer"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ROLE = "azure-native:authorization:RoleAssignment"
SUBSCRIPTION = "8a41c6be-0f27-4d53-b9e8-1c7a5d3f2e64"
TENANT = "3d7f0c52-91a4-4a8e-8c36-5b1e2f6a7d90"
PERSON = "5f0c1d9e-2b7a-4c1e-9a55-0d3f6b8e7c21"
ROOT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
IN_GROUP = {"resourceGroupName": "rg"}
VAULT_PROPERTIES = {
    "tenantId": TENANT,
    "sku": {"family": "A", "name": "standard"},
    "enableRbacAuthorization": True,
    "enablePurgeProtection": True,
    "softDeleteRetentionInDays": 90,
}
ROTATES = {
    "lifetimeActions": [{"action": {"type": "rotate"}, "trigger": {"timeAfterCreate": "P30D"}}]
}


@pytest.fixture
def made():
    with providers() as found:
        found.configure(
            "azure-native", subscriptionId=SUBSCRIPTION, tenantId=TENANT, location="westeurope"
        )
        yield found


@pytest.fixture
def group(made):
    return made.create(GROUP, "group", **IN_GROUP)


def vault(made, **properties):
    inputs = {**VAULT_PROPERTIES, **properties}
    inputs = {k: v for k, v in inputs.items() if v is not None}
    return made.create(VAULT, "vault", **IN_GROUP, vaultName="kv-1", properties=inputs)


def key(made, **properties):
    inputs = {"kty": "RSA", "keySize": 3072, **properties}
    return made.create(KEY, "key", **IN_GROUP, vaultName="kv-1", keyName="sops", properties=inputs)


def account(made, **more):
    inputs = {"accountName": "state1", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    return made.create(ACCOUNT, "account", **IN_GROUP, **{**inputs, **more})


def identity(made):
    return made.create(IDENTITY, "id", **IN_GROUP, resourceName="ci-1")


def role_inputs(scope, principal=PERSON, **more):
    definitions = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    return {
        "roleAssignmentName": "11111111-1111-5111-8111-111111111111",
        "scope": scope,
        "roleDefinitionId": f"{definitions}/12338af0-0e69-4776-bea7-57ae8d297424",
        "principalId": principal,
        "principalType": "User",
        **more,
    }


def refused(call, *arguments, **inputs):
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **inputs)
    return message(raised.value)


def test_an_id_is_the_path_and_the_api_version_an_input(made, group):
    assert group.id == ROOT
    assert group.inputs["location"] == "westeurope", "the provider's own"
    assert vault(made).id == f"{ROOT}/providers/Microsoft.KeyVault/vaults/kv-1"
    assert group.inputs["azureApiVersion"] == value(group, "azureApiVersion")


def test_a_provider_without_a_subscription_is_refused(made):
    said = "\n".join(made.check_config("azure-native", location="westeurope"))
    assert "subscriptionId" in said
    assert "tenantId" in said


def test_a_client_secret_is_refused(made):
    said = refused(made.configure, "azure-native", clientSecret="hunter2")
    assert "clientSecret" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        (GROUP, {}, "missing required property 'resourceGroupName'"),
        (GROUP, {"resourceGroupName": "a b"}, "'resourceGroupName' does not match expression"),
        (VAULT, {**IN_GROUP, "vaultName": "kv-1"}, "missing required property 'properties'"),
        (VAULT, {**IN_GROUP, "vaultName": "k", "properties": VAULT_PROPERTIES}, "does not match"),
        (
            VAULT,
            {**IN_GROUP, "vaultName": "kv-1", "properties": {"tenantId": TENANT}},
            "missing required property 'properties.sku'",
        ),
        (
            VAULT,
            {**IN_GROUP, "vaultName": "kv-1", "properties": {**VAULT_PROPERTIES, "softDelete": 1}},
            "unknown property properties.softDelete",
        ),
        (ACCOUNT, {**IN_GROUP, "accountName": "State", "kind": "StorageV2"}, "'accountName'"),
    ],
)
def test_wrong_inputs_are_refused_before_anything_is_asked(made, kind, inputs, words):
    with pytest.raises(RefusedError) as raised:
        made.check(kind, "it", inputs)
    assert words in str(raised.value)


def test_what_is_there_is_never_taken_over(made, group):
    said = refused(made.create, GROUP, "group", **IN_GROUP)
    assert said == f"cannot create already existing resource '{ROOT}'"


def test_what_is_there_by_default_is_written_over(made, group):
    account(made)
    inputs = {**IN_GROUP, "accountName": "state1", "blobServicesName": "default"}
    made.create(BLOBS, "blobs", **inputs, isVersioningEnabled=True)
    blobs = made.create(BLOBS, "blobs", **inputs, isVersioningEnabled=True)
    made.delete(blobs)
    assert made.create(BLOBS, "blobs", **inputs).id.endswith("/blobServices/default")


def test_nothing_is_made_in_what_is_not_there(made):
    assert 'Code="ResourceGroupNotFound"' in refused(vault, made)
    made.create(GROUP, "group", **IN_GROUP)
    assert 'Code="ParentResourceNotFound"' in refused(key, made)


def test_a_preview_knows_no_name_that_azure_has_not_said(made):
    planned = made.preview(GROUP, "group", **IN_GROUP)
    assert planned["name"] == UNKNOWN
    assert planned["location"] == "westeurope"


def test_another_name_or_place_is_another_resource(made, group):
    found = made.diff(group, resourceGroupName="other")
    assert list(found.replaces) == ["resourceGroupName"]
    assert found.deleteBeforeReplace
    assert list(made.diff(group, **IN_GROUP, location="northeurope").replaces) == ["location"]
    assert not made.diff(group, **IN_GROUP, location="West Europe").diffs, "spelled as a person may"
    assert not made.diff(group, **IN_GROUP, tags={"a": "b"}).replaces


def test_a_deleted_vault_keeps_its_name_and_comes_back_with_its_keys(made, group):
    first, version = vault(made), value(key(made), "keyUriWithVersion")
    made.delete(first)
    assert 'Code="ConflictError"' in refused(vault, made)
    vault(made, createMode="recover")
    there = made.world.part(Azure).get(f"{first.id}/keys/sops")
    assert version.endswith(there.versions[0].id)


def test_nothing_is_recovered_that_was_not_deleted(made, group):
    assert "No deleted vault" in refused(vault, made, createMode="recover")


def test_a_deleted_group_takes_all_with_it_but_not_the_vault_s_keys(made, group):
    vault(made)
    made.create(ROLE, "role", **role_inputs(key(made).id))
    made.delete(group)
    azure = made.world.part(Azure)
    assert azure.things == {}
    assert [len(kept) for kept in azure.deleted_vaults.values()] == [2]


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"softDeleteRetentionInDays": 91}, "from 7 to 90"),
        ({"enablePurgeProtection": False}, "cannot be set to false"),
        ({"enableRbacAuthorization": None}, "'accessPolicies' is not specified"),
    ],
)
def test_a_vault_that_azure_refuses_is_refused(made, group, properties, words):
    assert words in refused(vault, made, **properties)


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"softDeleteRetentionInDays": 30}, "can't be modified"),
        ({"enablePurgeProtection": None}, "irreversible"),
    ],
)
def test_what_a_vault_never_changes_is_refused(made, group, properties, words):
    found = vault(made)
    inputs = {k: v for k, v in {**VAULT_PROPERTIES, **properties}.items() if v is not None}
    said = refused(made.update, found, **IN_GROUP, vaultName="kv-1", properties=inputs)
    assert words in said


@pytest.mark.parametrize(
    "properties",
    [
        {"keySize": 1024},
        {"rotationPolicy": {"attributes": {"expiryTime": "P27D"}}},
        {"rotationPolicy": {**ROTATES, "attributes": {"expiryTime": "P36D"}}},
        {"rotationPolicy": {"attributes": {"expiryTime": "2 years"}}},
    ],
)
def test_a_key_that_key_vault_refuses_is_refused(made, group, properties):
    vault(made)
    assert "Status=400" in refused(key, made, **properties)


def test_a_key_that_is_there_is_never_written_to(made, group):
    vault(made)
    found = key(made, rotationPolicy=ROTATES)
    inputs = {**IN_GROUP, "vaultName": "kv-1", "keyName": "sops"}
    changed = made.update(found, **inputs, properties={"kty": "RSA", "keySize": 3072})
    assert value(changed, "rotationPolicy") == ROTATES


def test_another_size_is_another_key(made, group):
    vault(made)
    inputs = {**IN_GROUP, "vaultName": "kv-1", "keyName": "sops"}
    found = made.diff(key(made), **inputs, properties={"kty": "RSA", "keySize": 4096})
    assert list(found.replaces) == ["properties"]


def test_a_key_is_deleted_through_the_vault_where_nobody_has_the_role(made, group):
    vault(made)
    assert 'Code="Forbidden"' in refused(made.delete, key(made))


def test_a_key_rotates_by_the_clock_and_no_input_changes(made, group):
    vault(made)
    found = key(made, rotationPolicy=ROTATES)
    made.world.advance(timedelta(days=61))
    read = made.read(found)
    assert read.inputs == found.inputs
    assert value(read, "keyUriWithVersion") != value(found, "keyUriWithVersion")
    assert len(made.world.part(Azure).get(found.id).versions) == 3


def test_an_account_is_lenient_where_it_is_not_told_otherwise(made, group):
    found = account(made)
    assert value(found, "allowSharedKeyAccess") is True
    assert value(found, "minimumTlsVersion") == "TLS1_0"
    assert made.read(found).inputs == found.inputs, "Azure's own values are no inputs"


def test_a_change_made_elsewhere_shows_after_a_refresh(made, group):
    found = account(made, allowSharedKeyAccess=False)
    made.world.part(Azure).get(found.id).inputs["allowSharedKeyAccess"] = True
    assert made.read(found).inputs["allowSharedKeyAccess"] is True


def test_a_public_container_is_refused_where_the_account_allows_none(made, group):
    account(made)
    inputs = {**IN_GROUP, "accountName": "state1", "containerName": "pulumi"}
    said = refused(made.create, CONTAINER, "c", **inputs, publicAccess="Blob")
    assert "PublicAccessNotPermitted" in said


def test_an_identity_made_again_is_another_principal(made, group):
    first = identity(made)
    made.delete(first)
    assert value(identity(made), "principalId") != value(first, "principalId")


def test_a_token_leads_to_one_credential_of_an_identity(made, group):
    identity(made)
    inputs = {
        **IN_GROUP,
        "resourceName": "ci-1",
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:a/b:pull_request",
        "audiences": ["api://AzureADTokenExchange"],
    }
    name = "federatedIdentityCredentialResourceName"
    made.create(CREDENTIAL, "one", **inputs, **{name: "one"})
    assert "already exists" in refused(made.create, CREDENTIAL, "two", **inputs, **{name: "two"})
    wild = {**inputs, "subject": "repo:a/b:*", name: "three"}
    assert "not valid" in refused(made.create, CREDENTIAL, "three", **wild)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"roleAssignmentName": "crypto-user"}, "InvalidRoleAssignmentId"),
        ({"roleDefinitionId": "/providers/x/roleDefinitions/y"}, "RoleDefinitionDoesNotExist"),
        ({"principalId": "me@example.com"}, "InvalidPrincipalId"),
        ({"principalType": "ServicePrincipal"}, "PrincipalNotFound"),
        ({"scope": f"{ROOT}/nothing"}, "ParentResourceNotFound"),
    ],
)
def test_a_role_that_azure_refuses_is_refused(made, group, more, code):
    inputs = {**role_inputs(group.id), **more}
    assert f'Code="{code}"' in refused(made.create, ROLE, "role", **inputs)


def test_a_role_is_assigned_once(made, group):
    made.create(ROLE, "role", **role_inputs(group.id))
    again = role_inputs(group.id, roleAssignmentName="22222222-2222-5222-8222-222222222222")
    assert 'Code="RoleAssignmentExists"' in refused(made.create, ROLE, "again", **again)


def test_another_principal_is_another_assignment(made, group):
    found = made.create(ROLE, "role", **role_inputs(group.id))
    other = role_inputs(group.id, principal="99999999-2b7a-4c1e-9a55-0d3f6b8e7c21")
    assert list(made.diff(found, **other).replaces) == ["principalId"]


def test_what_is_gone_is_deleted_without_complaint(made, group):
    made.delete(group)
    made.delete(group)
    assert made.read(group) is None
