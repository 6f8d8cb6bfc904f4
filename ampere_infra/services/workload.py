"""What serves requests behind the gateway: a namespace, a release of a chart of ours, a route."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.credentials import CredentialsArgs, credentials
from ampere_infra.platform.manifests import custom_object
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.platform.routes import Route, objects
from ampere_infra.services import workload_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.platform.target import Target
    from ampere_infra.settings.edge import PullRegistry, Workload

SERVICE_PORT = 80
PULL_SECRET = "registry"  # noqa: S105 - a Secret's name


@dataclass(frozen=True)
class Registry:
    """The registry, and the token that its images are pulled with."""

    settings: PullRegistry
    token: pulumi.Input[str]
    """A secret."""


@dataclass(frozen=True)
class WorkloadArgs:
    """What runs, and where its image comes from."""

    name: str
    """The chart's, the release's and the namespace's name."""
    target: Target
    settings: Workload
    registry: Registry


def namespace(args: WorkloadArgs, parent: pulumi.Resource) -> Namespace:
    """Return the workload's namespace, as part of ``parent``."""
    options = pulumi.ResourceOptions(parent=parent)
    return Namespace(args.name, NamespaceArgs(args.name, args.target), options)


def release(args: WorkloadArgs, home: Namespace, parent: pulumi.Resource) -> pulumi.Resource:
    """Return the release in the namespace ``home``, which pulls its image with a Secret."""
    secret = credentials(
        CredentialsArgs(
            name=PULL_SECRET,
            namespace=home.ready_name,
            values={".dockerconfigjson": _login(args.registry)},
            target=args.target,
            kind="kubernetes.io/dockerconfigjson",
            key=f"{args.name}-{PULL_SECRET}",
        ),
        parent,
    )
    content = ReleaseArgs(
        name=args.name,
        namespace=home.name,
        chart=OurChart(args.name),
        values=workload_values.values(args.settings, secret.name),
    )
    return helm_release(args.target, content, parent, [home])


def publish(
    route: Route, target: Target, parent: pulumi.Resource, gates: Sequence[pulumi.Resource]
) -> list[pulumi.Resource]:
    """Apply the route, its policies first: it is not open for a moment.

    Raises:
        OpenRouteError: a rule of it has no policy.
    """
    first, *rest = objects(route)
    policies = [custom_object(target, parent, content, gates) for content in rest]
    return [*policies, custom_object(target, parent, first, [*gates, *policies])]


def _login(registry: Registry) -> pulumi.Output[str]:
    user, server = registry.settings.user, registry.settings.server

    def written(token: str) -> str:
        login = base64.b64encode(f"{user}:{token}".encode()).decode()
        return json.dumps({"auths": {server: {"auth": login}}})

    return pulumi.Output.secret(registry.token).apply(written)
