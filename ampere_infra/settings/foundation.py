"""The settings of ``foundation``, as ``Pulumi.foundation.yaml`` spells them below ``config:``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ampere_infra.settings.azure import (
    AccountName,
    BranchName,
    ContainerName,
    Days,
    EnvironmentName,
    GroupName,
    Guid,
    KeyName,
    Location,
    Repository,
    VaultName,
)
from ampere_infra.settings.types import Flag, Model, StackSettings

__all__ = ["Azure", "Developers", "FoundationSettings", "GitHub", "Key", "State", "Vault"]


class Azure(Model):
    """Where in Azure everything is."""

    tenant_id: Guid
    """The directory; `az account show --query tenantId` prints it."""
    subscription_id: Guid
    """What is billed; `az account show --query id` prints it."""
    location: Location
    """The region; matters at birth only, since nothing here can move."""
    resource_group: GroupName
    """A resource group of this stack alone; the program makes it."""


class Vault(Model):
    """The Key Vault that holds the key of SOPS."""

    name: VaultName
    """Unique in all of Azure, and taken for as long as a deleted vault is kept."""
    keep_deleted_days: Annotated[int, Field(strict=True, ge=7, le=90)] = 90
    """How long Azure keeps the vault after its deletion; matters at birth only."""
    recover: Flag = False
    """Bring back the deleted vault of this name with its keys, once; then say false again."""


class Key(Model):
    """The key that opens the files below ``secrets/``; all of it matters at birth only."""

    name: KeyName = "sops"
    """The key's name in the vault."""
    bits: Annotated[int, Field(strict=True, ge=2048, le=4096)] = 3072
    """The size of the RSA key: 2048, 3072 or 4096."""
    rotate_after_days: Days = 365
    """After how many days Azure makes a new version; older ones go on opening files."""
    expire_after_days: Days | None = None
    """After how many days a version encrypts no more; it goes on opening files."""


class State(Model):
    """Where Pulumi's state is."""

    account: AccountName
    """The storage account's name, unique in all of Azure."""
    container: ContainerName = "pulumi"
    """The container in it."""
    redundancy: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS"] = "Standard_ZRS"
    """Copies in one building, in three zones of the region, or in a second region."""
    keep_deleted_days: Annotated[int, Field(strict=True, ge=7, le=365)] = 90
    """How long what was deleted or overwritten can be brought back."""


class Developers(Model):
    """Who may open the secrets and use the state from their own machine."""

    object_ids: Annotated[tuple[Guid, ...], Field(min_length=1)]
    """Users of the directory; `az ad signed-in-user show --query id` prints one's own."""


class GitHub(Model):
    """The repository whose workflows get in without any stored secret."""

    repository: Repository
    """OWNER/NAME."""
    branches: tuple[BranchName, ...] = ("main",)
    """Pushes to these may change the state."""
    environments: tuple[EnvironmentName, ...] = ()
    """Jobs of these environments may change the state."""
    pull_requests: Flag = True
    """Whether pull requests of the repository itself may open secrets and read the state."""


class FoundationSettings(StackSettings):
    """All settings of ``foundation``; each field is the key ``ampere:FIELD`` of the stack file."""

    has_secrets: ClassVar[bool] = False

    azure: Azure
    """Where in Azure everything is."""
    vault: Vault
    """The Key Vault that holds the key of SOPS."""
    key: Key = Key()
    """The key that opens the files below ``secrets/``."""
    state: State
    """Where Pulumi's state is."""
    developers: Developers
    """Who may open the secrets and use the state from their own machine."""
    github: GitHub
    """The repository whose workflows get in without any stored secret."""
