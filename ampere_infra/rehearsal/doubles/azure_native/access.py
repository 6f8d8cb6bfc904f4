"""Identities, the credentials that let others be them, and roles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pulumi_azure_native.authorization import RoleAssignment, RoleAssignmentArgs
from pulumi_azure_native.managedidentity import (
    FederatedIdentityCredential,
    FederatedIdentityCredentialArgs,
    UserAssignedIdentity,
    UserAssignedIdentityArgs,
)

from ampere_infra.rehearsal.doubles.azure_native.arm import GROUP, Arm, guid, refusal
from ampere_infra.rehearsal.doubles.values import items, text
from ampere_infra.rehearsal.places.azure import IDENTITY, Thing

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kind import Kind
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.world import World

IDENTITY_PATH = f"{GROUP}/providers/{IDENTITY}/{{resourceName}}"
GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_CREDENTIALS = 20
BUILT_IN = frozenset(
    {
        "12338af0-0e69-4776-bea7-57ae8d297424",  # Key Vault Crypto User
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",  # Key Vault Crypto Officer
        "e147488a-f6f5-4113-8e2d-b22465e65bf6",  # Key Vault Crypto Service Encryption User
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",  # Storage Blob Data Reader
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    }
)
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""


class IdentityKind(Arm):
    """``UserAssignedIdentity``: another principal each time it is made."""

    arguments = UserAssignedIdentityArgs
    resource = UserAssignedIdentity
    path = IDENTITY_PATH
    type = IDENTITY
    patterns = (("resourceName", r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}"),)
    located = True

    def born(self, inputs: Properties) -> Properties:
        """Return the ids that the directory gives it."""
        del inputs
        tenant = self.cloud.get("tenantId")
        return {"principalId": guid(), "clientId": guid(), "tenantId": tenant, "tags": {}}


class CredentialKind(Arm):
    """``FederatedIdentityCredential``."""

    arguments = FederatedIdentityCredentialArgs
    resource = FederatedIdentityCredential
    path = (
        f"{IDENTITY_PATH}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}"
    )
    type = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
    patterns = (("federatedIdentityCredentialResourceName", r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}"),)
    parents = (GROUP, IDENTITY_PATH)

    def validate(self, inputs: Properties) -> None:
        """Refuse what no token could match."""
        if len(items(inputs, "audiences")) != 1:
            raise refusal(400, "BadRequest", "Exactly one audience is allowed.")
        if not text(inputs, "issuer").startswith("https://") or "*" in text(inputs, "subject"):
            raise refusal(400, "BadRequest", "The issuer or the subject is not valid.")

    def admit(self, inputs: Properties, old: Thing | None) -> None:
        """Refuse a second credential for the same token, and one too many."""
        identity = self.identity(inputs, IDENTITY_PATH)
        beside = [t for t in self.azure.of_type(self.type) if t.id.startswith(f"{identity}/")]
        mine = self.identity(inputs)
        token = (text(inputs, "issuer"), text(inputs, "subject"))
        for other in beside:
            if other.id != mine and token == (
                text(other.inputs, "issuer"),
                text(other.inputs, "subject"),
            ):
                message = "Issuer and subject combination already exists for this Managed Identity."
                raise refusal(409, "Conflict", message)
        if old is None and len(beside) >= MOST_CREDENTIALS:
            raise refusal(400, "BadRequest", "Too many federated identity credentials.")


class RoleKind(Arm):
    """``RoleAssignment``: its name is a GUID; a second one of the same kind is refused."""

    arguments = RoleAssignmentArgs
    resource = RoleAssignment
    path = "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}"
    type = "Microsoft.Authorization/roleAssignments"
    forces_new = frozenset({"principalId", "scope"})
    parents = ("/{scope}",)

    def validate(self, inputs: Properties) -> None:
        """Refuse names and roles that are none, and a principal that may not be known yet."""
        name = text(inputs, "roleAssignmentName")
        if not GUID.fullmatch(name):
            message = f"The role assignment ID '{name}' is not valid. It must be a GUID."
            raise refusal(400, "InvalidRoleAssignmentId", message)
        role = text(inputs, "roleDefinitionId")
        start = f"/subscriptions/{text(self.cloud, 'subscriptionId')}/providers/"
        where = f"{start}Microsoft.Authorization/roleDefinitions/"
        if not role.startswith(where) or role.removeprefix(where) not in BUILT_IN:
            message = f"The specified role definition with ID '{role}' does not exist."
            raise refusal(404, "RoleDefinitionDoesNotExist", message)
        principal = text(inputs, "principalId")
        if not GUID.fullmatch(principal):
            message = f"The Principal ID '{principal}' is not valid. Principal ID must be a GUID."
            raise refusal(400, "InvalidPrincipalId", message)
        machines = [text(t.found, "principalId") for t in self.azure.of_type(IDENTITY)]
        wanted = "ServicePrincipal" if principal in machines else "User"
        if text(inputs, "principalType") != wanted:
            message = f"Principal {principal} does not exist in the directory as a {wanted}."
            raise refusal(400, "PrincipalNotFound", message)

    def admit(self, inputs: Properties, old: Thing | None) -> None:
        """Refuse what is assigned already by another name, and a change of what is assigned."""
        what = [text(inputs, key).lower() for key in ("scope", "roleDefinitionId", "principalId")]
        mine = self.identity(inputs)
        for other in self.azure.of_type(self.type):
            have = [
                text(other.inputs, key).lower()
                for key in ("scope", "roleDefinitionId", "principalId")
            ]
            if other.id != mine and have == what:
                message = (
                    "The role assignment already exists. The ID of the existing role assignment "
                    f"is {other.name.replace('-', '')}."
                )
                raise refusal(409, "RoleAssignmentExists", message)
            if old is not None and other.id == mine and have != what:
                message = "Tenant ID, application ID, principal ID, and scope are not allowed to be"
                raise refusal(400, "RoleAssignmentUpdateNotPermitted", f"{message} updated.")

    def outputs(self, thing: Thing) -> Properties:
        """Return the assignment."""
        return {**self.body(thing.inputs), "scope": thing.inputs["scope"], "createdBy": ""}

    def imported(self, thing: Thing) -> Properties:
        """Return the inputs; the scope comes out of the id, without the slash before it."""
        inputs = super().imported(thing)
        return {**inputs, "scope": text(inputs, "scope").strip("/")}


def kinds(world: World, cloud: Properties) -> dict[str, Kind]:
    """Return the types of this module, by token."""
    return {
        "azure-native:managedidentity:UserAssignedIdentity": IdentityKind(world, cloud),
        "azure-native:managedidentity:FederatedIdentityCredential": CredentialKind(world, cloud),
        "azure-native:authorization:RoleAssignment": RoleKind(world, cloud),
    }
