"""The storage account and container that Pulumi's state is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native.storage import (
    BlobContainer,
    BlobServiceProperties,
    DateAfterCreationArgs,
    DeleteRetentionPolicyArgs,
    ManagementPolicy,
    ManagementPolicyActionArgs,
    ManagementPolicyDefinitionArgs,
    ManagementPolicyFilterArgs,
    ManagementPolicyRuleArgs,
    ManagementPolicySchemaArgs,
    ManagementPolicyVersionArgs,
    MinimumTlsVersion,
    PublicAccess,
    SkuArgs,
    StorageAccount,
)

if TYPE_CHECKING:
    from ampere_infra.settings.foundation import State

ONLY_ONE = "default"
"""What Azure calls a thing that an account has one of."""


@dataclass(frozen=True)
class StateStoreArgs:
    """What the account is like."""

    group: pulumi.Input[str]
    location: str
    state: State


class StateStore(pulumi.ComponentResource):
    """An account that only roles open, whose blobs can be brought back, with one container."""

    container_id: pulumi.Output[str]
    """The container in Azure's resource tree, for roles."""
    backend_url: pulumi.Output[str]
    """What ``pulumi login`` takes."""

    def __init__(
        self, name: str, args: StateStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:foundation:StateStore", name, None, opts)
        account = self._account(args)
        versioned = self._versioned(args, account)
        self._forget_old_versions(args, account, versioned)
        container = self._container(args, account, versioned)
        self.container_id = container.id
        self.backend_url = pulumi.Output.format(
            "azblob://{0}?storage_account={1}", container.name, account.name
        )
        self.register_outputs({"container_id": self.container_id, "backend_url": self.backend_url})

    def _account(self, args: StateStoreArgs) -> StorageAccount:
        return StorageAccount(
            "account",
            resource_group_name=args.group,
            account_name=args.state.account,
            location=args.location,
            kind="StorageV2",
            sku=SkuArgs(name=args.state.redundancy),
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            is_local_user_enabled=False,
            minimum_tls_version=MinimumTlsVersion.TLS1_2,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _versioned(self, args: StateStoreArgs, account: StorageAccount) -> BlobServiceProperties:
        kept = DeleteRetentionPolicyArgs(enabled=True, days=args.state.keep_deleted_days)
        return BlobServiceProperties(
            "blobs",
            resource_group_name=args.group,
            account_name=account.name,
            blob_services_name=ONLY_ONE,
            is_versioning_enabled=True,
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            opts=pulumi.ResourceOptions(parent=self, protect=True, deleted_with=account),
        )

    def _forget_old_versions(
        self, args: StateStoreArgs, account: StorageAccount, versioned: BlobServiceProperties
    ) -> None:
        """Let versions go that are too old to be asked for: each step of a run writes one."""
        too_old = DateAfterCreationArgs(
            days_after_creation_greater_than=args.state.keep_deleted_days
        )
        rule = ManagementPolicyRuleArgs(
            name="forget-old-versions",
            type="Lifecycle",
            enabled=True,
            definition=ManagementPolicyDefinitionArgs(
                filters=ManagementPolicyFilterArgs(blob_types=["blockBlob"]),
                actions=ManagementPolicyActionArgs(
                    version=ManagementPolicyVersionArgs(delete=too_old)
                ),
            ),
        )
        ManagementPolicy(
            "old-versions",
            resource_group_name=args.group,
            account_name=account.name,
            management_policy_name=ONLY_ONE,
            policy=ManagementPolicySchemaArgs(rules=[rule]),
            opts=pulumi.ResourceOptions(parent=self, deleted_with=account, depends_on=[versioned]),
        )

    def _container(
        self, args: StateStoreArgs, account: StorageAccount, versioned: BlobServiceProperties
    ) -> BlobContainer:
        return BlobContainer(
            "container",
            resource_group_name=args.group,
            account_name=account.name,
            container_name=args.state.container,
            public_access=PublicAccess.NONE,
            # Nothing is written before what is overwritten is kept.
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, deleted_with=account, depends_on=[versioned]
            ),
        )
