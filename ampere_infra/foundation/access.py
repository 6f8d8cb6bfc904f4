"""Who may open the secrets and use the state: developers, and GitHub's jobs without a secret."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native.managedidentity import (
    FederatedIdentityCredential,
    UserAssignedIdentity,
)

from ampere_infra.foundation.roles import Principal, Role, Scope, assign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ampere_infra.settings.foundation import Azure, GitHub

ISSUER = "https://token.actions.githubusercontent.com"
"""Who signs the tokens of GitHub's jobs."""
AUDIENCE = "api://AzureADTokenExchange"
"""What Entra wants such a token to be for."""


@dataclass(frozen=True)
class Subject:
    """One kind of job that is let in."""

    name: str
    """What the credential is called."""
    claim: str
    """The ``sub`` of the job's token, letter by letter.

    Source: https://docs.github.com/actions/reference/security/oidc
    """


def deploying(github: GitHub) -> tuple[Subject, ...]:
    """Return the jobs that may change the state."""
    repository = f"repo:{github.repository}"
    return (
        *(
            Subject(f"branch-{_word(b)}", f"{repository}:ref:refs/heads/{b}")
            for b in github.branches
        ),
        *(
            Subject(f"environment-{_word(e)}", f"{repository}:environment:{e}")
            for e in github.environments
        ),
    )


def previewing(github: GitHub) -> tuple[Subject, ...]:
    """Return the jobs that may only look: GitHub gives none to pull requests of forks."""
    if not github.pull_requests:
        return ()
    return (Subject("pull-request", f"repo:{github.repository}:pull_request"),)


def _word(name: str) -> str:
    """Return ``name`` as Azure lets a credential be called, another one for another name."""
    word = re.sub(r"[^A-Za-z0-9-]", "-", name)[:60]
    return word if word == name else f"{word}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class PeopleArgs:
    """Who gets which roles."""

    subscription_id: str
    object_ids: Sequence[str]
    roles: Mapping[Role, Scope]


class People(pulumi.ComponentResource):
    """Developers, each with the roles that the work takes."""

    def __init__(
        self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:foundation:People", name, None, opts)
        for object_id in args.object_ids:
            person = Principal(f"developer-{object_id}", object_id, "User")
            assign(args.subscription_id, person, args.roles, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


@dataclass(frozen=True)
class WorkflowArgs:
    """Which jobs are one identity, and what it may do."""

    group: pulumi.Input[str]
    azure: Azure
    subjects: Sequence[Subject]
    roles: Mapping[Role, Scope]


class Workflow(pulumi.ComponentResource):
    """An identity that GitHub's jobs become by their tokens; there is no secret to it."""

    client_id: pulumi.Output[str]
    """What ``azure/login`` and Pulumi's ``ARM_CLIENT_ID`` take. Public."""

    def __init__(
        self, name: str, args: WorkflowArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:foundation:Workflow", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        identity = UserAssignedIdentity(
            name,
            resource_group_name=args.group,
            resource_name_=name,
            location=args.azure.location,
            opts=own,
        )
        self._trust(name, args, identity)
        principal = Principal(name, identity.principal_id, "ServicePrincipal")
        assign(args.azure.subscription_id, principal, args.roles, own)
        self.client_id = identity.client_id
        self.register_outputs({"client_id": self.client_id})

    def _trust(self, name: str, args: WorkflowArgs, identity: UserAssignedIdentity) -> None:
        """Declare the credentials one after the other: Entra refuses two writes at once."""
        before: list[pulumi.Resource] = []
        for subject in args.subjects:
            credential = FederatedIdentityCredential(
                f"{name}-{subject.name}",
                resource_group_name=args.group,
                resource_name_=identity.name,
                federated_identity_credential_resource_name=subject.name,
                issuer=ISSUER,
                subject=subject.claim,
                audiences=[AUDIENCE],
                opts=pulumi.ResourceOptions(parent=self, depends_on=before),
            )
            before = [credential]
