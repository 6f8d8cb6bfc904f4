"""The gateway to the internet: Envoy Gateway, and the one Gateway that it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform import gateway_objects as made
from ampere_infra.platform.certificates import certificate
from ampere_infra.platform.manifests import custom_object
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import ReleaseArgs, UpstreamChart, helm_release
from ampere_infra.settings.namespaces import ENVOY_GATEWAY, GATEWAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.platform.gateway_objects import Site
    from ampere_infra.platform.target import Target
    from ampere_infra.settings.edge import Gateway

REPOSITORY = "oci://docker.io/envoyproxy"


@dataclass(frozen=True)
class EnvoyGatewayArgs:
    """The controller. Its chart brings the definitions of Gateway API and its own.

    They are in the chart's ``crds`` folder: Helm installs them once and never upgrades them
    (docs/edge.md says how a new version's are applied).
    """

    target: Target
    """After the metadata address is closed: it makes the first pods that anybody reaches."""
    version: str
    """Without the ``v`` that the registry's tag begins with."""
    dns_domain: str = "cluster.local"


class EnvoyGateway(pulumi.ComponentResource):
    """The controller's release. What uses Gateway API's definitions waits for ``release``."""

    release: pulumi.Resource

    def __init__(
        self, name: str, args: EnvoyGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:EnvoyGateway", name, None, opts)
        namespace = Namespace(
            ENVOY_GATEWAY,
            NamespaceArgs(ENVOY_GATEWAY, args.target),
            pulumi.ResourceOptions(parent=self),
        )
        self.release = helm_release(
            args.target,
            ReleaseArgs(
                name="envoy-gateway",
                namespace=ENVOY_GATEWAY,
                chart=UpstreamChart(REPOSITORY, "gateway-helm", f"v{args.version}"),
                values=values(args),
            ),
            self,
            [namespace],
        )
        self.register_outputs({})


def values(args: EnvoyGatewayArgs) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "kubernetesClusterDomain": args.dns_domain,
        # It spreads Envoys over zones, by a webhook that every new pod would wait for.
        "topologyInjector": {"enabled": False},
        "deployment": {
            "envoyGateway": {
                "resources": {
                    "requests": {"cpu": "50m", "memory": "128Mi"},
                    "limits": {"memory": "512Mi"},
                }
            }
        },
    }


@dataclass(frozen=True)
class PublicGatewayArgs:
    """The Gateway and the names that it serves."""

    target: Target
    settings: Gateway
    sites: Sequence[Site]
    issuer: str
    """The ClusterIssuer of the names' certificates."""
    definitions: Sequence[pulumi.Resource]
    """What brings the definitions: the releases of Envoy Gateway and cert-manager, the issuer."""


class PublicGateway(pulumi.ComponentResource):
    """Listeners, certificates, the redirect, and the policy that closes what has none of its own.

    A certificate is not waited for: its name may not lead here yet, and cert-manager tries again.
    """

    ready: pulumi.Output[str]
    """The Gateway's name, known once routes can be attached to it."""
    closed: pulumi.Resource
    """Routes come after it, so that none is ever open for a moment."""

    def __init__(
        self, name: str, args: PublicGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:PublicGateway", name, None, opts)
        namespace = Namespace(
            GATEWAY,
            NamespaceArgs(GATEWAY, args.target),
            pulumi.ResourceOptions(parent=self),
        )
        gates = [*args.definitions, namespace]
        self.closed = custom_object(args.target, self, made.closed(args.sites), gates)
        contents = [
            made.gateway_class(),
            made.envoy_proxy(),
            *made.client_traffic(args.settings, args.sites),
            *(certificate(site.secret, site.domain, GATEWAY, args.issuer) for site in args.sites),
        ]
        parts = [custom_object(args.target, self, content, gates) for content in contents]
        gateway = custom_object(
            args.target, self, made.gateway(args.sites), [*gates, *parts, self.closed]
        )
        for content in made.redirect(args.sites):
            custom_object(args.target, self, content, [*gates, gateway])
        self.ready = after(made.NAME, gateway, self.closed)
        self.register_outputs({"gateway": self.ready})
