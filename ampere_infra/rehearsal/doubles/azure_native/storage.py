"""Storage accounts and what they are to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_azure_native.storage import (
    BlobContainer,
    BlobContainerArgs,
    BlobServiceProperties,
    BlobServicePropertiesArgs,
    ManagementPolicy,
    ManagementPolicyArgs,
    StorageAccount,
    StorageAccountArgs,
)

from ampere_infra.rehearsal.doubles.azure_native.arm import GROUP, Arm, refusal
from ampere_infra.rehearsal.doubles.values import number, table, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kind import Kind
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.places.azure import Thing
    from ampere_infra.rehearsal.world import World

ACCOUNT = "Microsoft.Storage/storageAccounts"
ACCOUNT_PATH = f"{GROUP}/providers/{ACCOUNT}/{{accountName}}"
SKUS = ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS")
ACCOUNT_NAME = ("accountName", r"[a-z0-9]{3,24}")


class AccountKind(Arm):
    """``StorageAccount``: what Azure would be lenient with unless told is said here."""

    arguments = StorageAccountArgs
    resource = StorageAccount
    path = ACCOUNT_PATH
    type = ACCOUNT
    patterns = (ACCOUNT_NAME,)
    located = True

    def validate(self, inputs: Properties) -> None:
        """Refuse redundancies that there are not."""
        name = text(table(inputs, "sku"), "name")
        if name not in SKUS:
            raise refusal(400, "InvalidValuesForRequestParameters", f"sku.name: {name}")

    def admit(self, inputs: Properties, old: Thing | None) -> None:
        """Refuse a name that is taken in Azure."""
        name = text(inputs, "accountName")
        if old is None and any(account.name == name for account in self.azure.of_type(ACCOUNT)):
            message = f"The storage account named {name} is already taken."
            raise refusal(409, "StorageAccountAlreadyTaken", message)

    def outputs(self, thing: Thing) -> Properties:
        """Return the account with Azure's own values for what was not said."""
        place, sku = thing.inputs.get("location"), text(table(thing.inputs, "sku"), "name")
        return {
            "accessTier": "Hot",
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": True,
            "enableHttpsTrafficOnly": True,
            "encryption": {"keySource": "Microsoft.Storage"},
            "minimumTlsVersion": "TLS1_0",
            "networkRuleSet": {"bypass": "AzureServices", "defaultAction": "Allow"},
            "tags": {},
            **self.body(thing.inputs),
            "primaryEndpoints": {"blob": f"https://{thing.name}.blob.core.windows.net/"},
            "primaryLocation": place,
            "provisioningState": "Succeeded",
            "sku": {"name": sku, "tier": "Standard"},
            "statusOfPrimary": "available",
        }


class BlobsKind(Arm):
    """``BlobServiceProperties``: there with the account, and set back when it is deleted."""

    arguments = BlobServicePropertiesArgs
    resource = BlobServiceProperties
    path = f"{ACCOUNT_PATH}/blobServices/{{blobServicesName}}"
    type = "Microsoft.Storage/storageAccounts/blobServices"
    patterns = (ACCOUNT_NAME, ("blobServicesName", "default"))
    parents = (GROUP, ACCOUNT_PATH)
    by_default = True

    def validate(self, inputs: Properties) -> None:
        """Refuse retentions that Azure has not."""
        for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            days = number(table(inputs, name), "days")
            if days is not None and not 1 <= days <= 365:  # noqa: PLR2004 - Azure's bounds
                raise refusal(400, "InvalidRequestPropertyValue", f"{name}.days: {days}")

    def outputs(self, thing: Thing) -> Properties:
        """Return the properties with Azure's own."""
        return {"cors": {"corsRules": []}, **self.body(thing.inputs), **thing.found}


class PolicyKind(Arm):
    """``ManagementPolicy``: an account's one set of rules for what grows old."""

    arguments = ManagementPolicyArgs
    resource = ManagementPolicy
    path = f"{ACCOUNT_PATH}/managementPolicies/{{managementPolicyName}}"
    type = "Microsoft.Storage/storageAccounts/managementPolicies"
    patterns = (ACCOUNT_NAME, ("managementPolicyName", "default"))
    parents = (GROUP, ACCOUNT_PATH)


class ContainerKind(Arm):
    """``BlobContainer``."""

    arguments = BlobContainerArgs
    resource = BlobContainer
    path = f"{ACCOUNT_PATH}/blobServices/default/containers/{{containerName}}"
    type = "Microsoft.Storage/storageAccounts/blobServices/containers"
    patterns = (ACCOUNT_NAME, ("containerName", r"[a-z0-9](?:-?[a-z0-9]){2,62}"))
    parents = (GROUP, ACCOUNT_PATH)

    def validate(self, inputs: Properties) -> None:
        """Refuse a public container where the account allows none."""
        account = self.azure.get(self.identity(inputs, ACCOUNT_PATH))
        public = text(inputs, "publicAccess") not in ("", "None")
        if public and account and not account.inputs.get("allowBlobPublicAccess"):
            message = "Public access is not permitted on this storage account."
            raise refusal(409, "PublicAccessNotPermitted", message)

    def outputs(self, thing: Thing) -> Properties:
        """Return the container with Azure's own values."""
        filled: Properties = {
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": False,
            "publicAccess": "None",
        }
        own: Properties = {"hasImmutabilityPolicy": False, "hasLegalHold": False, "deleted": False}
        return {**filled, **self.body(thing.inputs), **own}


def kinds(world: World, cloud: Properties) -> dict[str, Kind]:
    """Return the types of this module, by token."""
    return {
        "azure-native:storage:StorageAccount": AccountKind(world, cloud),
        "azure-native:storage:BlobServiceProperties": BlobsKind(world, cloud),
        "azure-native:storage:ManagementPolicy": PolicyKind(world, cloud),
        "azure-native:storage:BlobContainer": ContainerKind(world, cloud),
    }
