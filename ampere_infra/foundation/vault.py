"""The Key Vault and the key that SOPS and Pulumi encrypt with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native.keyvault import (
    ActionArgs,
    CreateMode,
    Key,
    KeyPropertiesArgs,
    KeyRotationPolicyActionType,
    KeyRotationPolicyAttributesArgs,
    LifetimeActionArgs,
    RotationPolicyArgs,
    SkuArgs,
    SkuName,
    TriggerArgs,
    Vault,
    VaultPropertiesArgs,
)

if TYPE_CHECKING:
    from pulumi_azure_native.keyvault.outputs import RotationPolicyResponse

    from ampere_infra.settings.foundation import Azure
    from ampere_infra.settings.foundation import Key as KeySettings
    from ampere_infra.settings.foundation import Vault as VaultSettings

OPERATIONS = ("encrypt", "decrypt")
"""What the key is good for, whoever asks: SOPS and Pulumi do nothing else with it."""


@dataclass(frozen=True)
class KeyVaultArgs:
    """What the vault and its key are like."""

    group: pulumi.Input[str]
    azure: Azure
    vault: VaultSettings
    key: KeySettings


class KeyVault(pulumi.ComponentResource):
    """A vault that only roles open and nobody can purge, with one key in it."""

    key_id: pulumi.Output[str]
    """The key in Azure's resource tree, for roles."""
    key_url: pulumi.Output[str]
    """Where the key answers, with its current version."""

    def __init__(
        self, name: str, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:foundation:KeyVault", name, None, opts)
        vault = self._vault(args)
        key = self._key(args, vault)
        self.key_id = key.id
        self.key_url = key.key_uri_with_version.apply(without_port)
        self._say_what_stays(args.key, "bits", key.key_size)
        rotation = key.rotation_policy.apply(rotation_days)
        self._say_what_stays(args.key, "rotate_after_days", rotation)
        self._say_what_stays(args.key, "expire_after_days", key.rotation_policy.apply(expiry_days))
        self.register_outputs({"key_id": self.key_id, "key_url": self.key_url})

    def _vault(self, args: KeyVaultArgs) -> Vault:
        return Vault(
            "vault",
            resource_group_name=args.group,
            vault_name=args.vault.name,
            location=args.azure.location,
            properties=VaultPropertiesArgs(
                tenant_id=args.azure.tenant_id,
                sku=SkuArgs(family="A", name=SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                enable_purge_protection=True,
                soft_delete_retention_in_days=args.vault.keep_deleted_days,
                create_mode=CreateMode.RECOVER if args.vault.recover else None,
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _key(self, args: KeyVaultArgs, vault: Vault) -> Key:
        return Key(
            "key",
            resource_group_name=args.group,
            vault_name=vault.name,
            key_name=args.key.name,
            properties=KeyPropertiesArgs(
                kty="RSA",
                key_size=args.key.bits,
                key_ops=list(OPERATIONS),
                rotation_policy=_rotation(args.key),
            ),
            # Azure's resource manager never writes to a key that exists, and only who has a role
            # in the vault could delete one; it goes and stays with its vault.
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, ignore_changes=["properties"], deleted_with=vault
            ),
        )

    def _say_what_stays(self, key: KeySettings, what: str, born: pulumi.Output[int | None]) -> None:
        """Warn that a setting of the key has changed, which the key that there is has not."""
        wanted: object = getattr(key, what)

        def compare(found: int | None) -> None:
            if found != wanted:
                text = f"ampere:key.{what} says {_said(wanted)}, but the key was born with"
                remedy = "docs/foundation.md says how to change a key"
                pulumi.log.warn(f"{text} {_said(found)} and keeps it; {remedy}", self)

        born.apply(compare)


def _said(value: object) -> object:
    return "nothing" if value is None else value


def without_port(url: str) -> str:
    """Return a vault's URL without its port, which neither SOPS nor Pulumi expects there."""
    return url.replace(".vault.azure.net:443/", ".vault.azure.net/", 1)


def _rotation(key: KeySettings) -> RotationPolicyArgs:
    expiry = None if key.expire_after_days is None else f"P{key.expire_after_days}D"
    return RotationPolicyArgs(
        attributes=KeyRotationPolicyAttributesArgs(expiry_time=expiry) if expiry else None,
        lifetime_actions=[
            LifetimeActionArgs(
                action=ActionArgs(type=KeyRotationPolicyActionType.ROTATE),
                trigger=TriggerArgs(time_after_create=f"P{key.rotate_after_days}D"),
            )
        ],
    )


def rotation_days(policy: RotationPolicyResponse | None) -> int | None:
    """Return after how many days ``policy`` makes a new version."""
    if policy is None or policy.lifetime_actions is None:
        return None
    triggers = [action.trigger for action in policy.lifetime_actions]
    found = [trigger.time_after_create for trigger in triggers if trigger is not None]
    return next((_days(after) for after in found if after is not None), None)


def expiry_days(policy: RotationPolicyResponse | None) -> int | None:
    """Return after how many days ``policy`` lets a version expire."""
    if policy is None or policy.attributes is None or policy.attributes.expiry_time is None:
        return None
    return _days(policy.attributes.expiry_time)


def _days(duration: str) -> int | None:
    """Return the days of an ISO 8601 duration that is of whole days, as the program writes it."""
    digits = duration.removeprefix("P").removesuffix("D")
    return int(digits) if duration.endswith("D") and digits.isdecimal() else None
