"""Azure's built-in roles, and assignments of them with names that stay the same."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pulumi_azure_native.authorization import RoleAssignment

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

NAMESPACE = uuid.UUID("6f2d4a1e-8f53-4d0b-9a57-3c1b7e2d9f04")
"""Drawn once for this project: the names of its assignments are made below it."""


class Role(StrEnum):
    """What somebody may do; the values are the ids that Microsoft gave the roles.

    Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    """

    KEY_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
    """Key Vault Crypto User: read a key, encrypt and decrypt with it; not delete, not grant."""
    STATE_WRITER = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    """Storage Blob Data Contributor: read, write and delete blobs."""
    STATE_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    """Storage Blob Data Reader: read blobs."""


@dataclass(frozen=True)
class Principal:
    """Who gets a role."""

    name: str
    """What the program calls it; the assignments' names come from it."""
    object_id: pulumi.Input[str]
    type: Literal["User", "ServicePrincipal"]
    """Said, Azure does not look an identity up that its directory has not heard of yet."""


@dataclass(frozen=True)
class Scope:
    """What a role is for."""

    name: str
    id: pulumi.Input[str]


def assignment_name(role: Role, principal: str, scope: str) -> str:
    """Return the GUID that an assignment is called; the same for the same three."""
    return str(uuid.uuid5(NAMESPACE, f"{role.name}/{principal}/{scope}"))


def assign(
    subscription_id: str,
    principal: Principal,
    roles: Mapping[Role, Scope],
    opts: pulumi.ResourceOptions,
) -> list[RoleAssignment]:
    """Give ``principal`` each of ``roles`` for its scope, and nothing beyond.

    The ids of roles are the same in every subscription; the path to them is not.
    """
    definitions = f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization"
    return [
        RoleAssignment(
            f"{principal.name}-{scope.name}",
            role_assignment_name=assignment_name(role, principal.name, scope.name),
            scope=scope.id,
            role_definition_id=f"{definitions}/roleDefinitions/{role}",
            principal_id=principal.object_id,
            principal_type=principal.type,
            opts=opts,
        )
        for role, scope in roles.items()
    ]
