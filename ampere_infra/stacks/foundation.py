"""What everything else stands on in Azure: the key of the secrets, the state, who may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native import Provider
from pulumi_azure_native.resources import ResourceGroup

from ampere_infra.foundation.access import (
    People,
    PeopleArgs,
    Workflow,
    WorkflowArgs,
    deploying,
    previewing,
)
from ampere_infra.foundation.roles import Role, Scope
from ampere_infra.foundation.state import StateStore, StateStoreArgs
from ampere_infra.foundation.vault import KeyVault, KeyVaultArgs
from ampere_infra.settings.load import from_engine

if TYPE_CHECKING:
    from ampere_infra.settings.foundation import FoundationSettings

DEPLOY, PREVIEW = "github-deploy", "github-preview"
VARIABLES = {DEPLOY: "AZURE_CLIENT_ID", PREVIEW: "AZURE_CLIENT_ID_PREVIEW"}
"""What the workflows call the identities: ``.github/workflows``."""


def build() -> None:
    """Declare the stack.

    Raises:
        SettingsError: the settings are wrong.
    """
    settings = from_engine("foundation")
    azure = settings.azure
    provider = Provider(
        "azure",
        subscription_id=azure.subscription_id,
        tenant_id=azure.tenant_id,
        location=azure.location,
    )
    opts = pulumi.ResourceOptions(providers=[provider])
    group = ResourceGroup(
        "group",
        resource_group_name=azure.resource_group,
        location=azure.location,
        opts=pulumi.ResourceOptions(provider=provider, protect=True),
    )
    keys = KeyVault("keys", KeyVaultArgs(group.name, azure, settings.vault, settings.key), opts)
    store = StateStore("state", StateStoreArgs(group.name, azure.location, settings.state), opts)
    workflows = _access(settings, group, keys, store, opts)
    _export(settings, keys, store, workflows)


def _access(
    settings: FoundationSettings,
    group: ResourceGroup,
    keys: KeyVault,
    store: StateStore,
    opts: pulumi.ResourceOptions,
) -> dict[str, Workflow]:
    key, state = Scope("key", keys.key_id), Scope("state", store.container_id)
    write = {Role.KEY_USER: key, Role.STATE_WRITER: state}
    read = {Role.KEY_USER: key, Role.STATE_READER: state}
    azure = settings.azure
    people = PeopleArgs(azure.subscription_id, settings.developers.object_ids, write)
    People("developers", people, opts)
    wanted = {
        DEPLOY: WorkflowArgs(group.name, azure, deploying(settings.github), write),
        PREVIEW: WorkflowArgs(group.name, azure, previewing(settings.github), read),
    }
    return {name: Workflow(name, args, opts) for name, args in wanted.items() if args.subjects}


def _export(
    settings: FoundationSettings,
    keys: KeyVault,
    store: StateStore,
    workflows: dict[str, Workflow],
) -> None:
    """Export what `ampere secrets adopt` and GitHub's variables take; none of it is secret."""
    provider = keys.key_url.apply(lambda url: url.replace("https://", "azurekeyvault://", 1))
    pulumi.export("sops_key", keys.key_url)
    pulumi.export("backend_url", store.backend_url)
    # With its version: without one, what an older version encrypted would not open any more.
    pulumi.export("secrets_provider", provider)
    pulumi.export(
        "github_variables",
        {
            "AZURE_TENANT_ID": settings.azure.tenant_id,
            "AZURE_SUBSCRIPTION_ID": settings.azure.subscription_id,
            **{VARIABLES[name]: workflow.client_id for name, workflow in workflows.items()},
        },
    )
