"""Certificates of Let's Encrypt, by cert-manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform import gateway_objects as gateway
from ampere_infra.platform.credentials import CredentialsArgs, credentials
from ampere_infra.platform.manifests import (
    CERT_MANAGER,
    GATEWAY_API,
    Manifest,
    custom_object,
    manifest,
)
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.release import ReleaseArgs, UpstreamChart, helm_release
from ampere_infra.settings.namespaces import CERT_MANAGER as NAMESPACE
from ampere_infra.settings.namespaces import GATEWAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.platform.target import Target
    from ampere_infra.settings.edge import Certificates

REPOSITORY = "https://charts.jetstack.io"
DIRECTORIES = {
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "production": "https://acme-v02.api.letsencrypt.org/directory",
}
"""https://letsencrypt.org/docs/staging-environment/, https://letsencrypt.org/getting-started/"""
TOKEN_SECRET = "dns-token"  # noqa: S105 - a Secret's name
TOKEN_KEY = "token"  # noqa: S105 - a key in it
DNS_PROVIDERS = {
    "cloudflare": ("cloudflare", "apiTokenSecretRef"),
    "digitalocean": ("digitalocean", "tokenSecretRef"),
}
"""Where each setting's token belongs in a DNS-01 solver
(https://cert-manager.io/docs/configuration/acme/dns01/#supported-dns01-providers)."""
RESOLVERS = "1.1.1.1:53,9.9.9.9:53"
"""Who is asked whether a record is out, as Let's Encrypt would see it from outside."""


@dataclass(frozen=True)
class CertManagerArgs:
    """cert-manager and its account."""

    target: Target
    version: str
    """Without the ``v`` of the chart's version."""
    settings: Certificates
    definitions: Sequence[pulumi.Resource]
    """What brings Gateway API's definitions: without them its controller does not start."""
    token: pulumi.Input[str] | None = None
    """The DNS provider's API token, a secret; none where the challenge is ``http-01``."""


class CertManager(pulumi.ComponentResource):
    """The release and the ClusterIssuer, whose account is made when it is first used."""

    release: pulumi.Resource
    issuer: pulumi.Resource
    issuer_name: str
    """The ClusterIssuer's name; another authority is another issuer, and new certificates."""

    def __init__(
        self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:CertManager", name, None, opts)
        namespace = Namespace(
            NAMESPACE, NamespaceArgs(NAMESPACE, args.target), pulumi.ResourceOptions(parent=self)
        )
        self.release = helm_release(
            args.target,
            ReleaseArgs(
                name="cert-manager",
                namespace=NAMESPACE,
                chart=UpstreamChart(REPOSITORY, "cert-manager", f"v{args.version}"),
                values=values(args.settings),
            ),
            self,
            [namespace, *args.definitions],
        )
        self._token(namespace, args)
        content = issuer(args.settings)
        self.issuer = custom_object(args.target, self, content, [self.release])
        self.issuer_name = content["metadata"]["name"]
        self.register_outputs({})

    def _token(self, namespace: Namespace, args: CertManagerArgs) -> None:
        if args.token is None:
            return
        entries = {TOKEN_KEY: args.token}
        credentials(CredentialsArgs(TOKEN_SECRET, namespace.ready_name, entries, args.target), self)


def values(settings: Certificates) -> dict[str, Any]:
    """Return the chart's values."""
    chosen: dict[str, Any] = {
        # Removed definitions would take every certificate with them.
        "crds": {"enabled": True, "keep": True},
        "config": {
            "apiVersion": "controller.config.cert-manager.io/v1alpha1",
            "kind": "ControllerConfiguration",
            "gatewayAPI": {"enabled": True},
        },
        "global": {"leaderElection": {"namespace": NAMESPACE}},
        "prometheus": {"enabled": False},
        "resources": {
            "requests": {"cpu": "20m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
    }
    if settings.challenge != "http-01":
        chosen |= {"dns01RecursiveNameservers": RESOLVERS, "dns01RecursiveNameserversOnly": True}
    return chosen


def issuer(settings: Certificates) -> Manifest:
    """Return the ClusterIssuer of the authority that the settings name."""
    name = f"letsencrypt-{settings.authority}"
    acme = {
        "server": DIRECTORIES[settings.authority],
        "email": settings.email,
        "privateKeySecretRef": {"name": f"{name}-account"},
        "solvers": [_solver(settings)],
    }
    return manifest(f"{CERT_MANAGER}/v1", "ClusterIssuer", name, {"acme": acme})


def _solver(settings: Certificates) -> dict[str, Any]:
    if settings.challenge == "http-01":
        port_80 = {
            "group": GATEWAY_API,
            "kind": "Gateway",
            "name": gateway.NAME,
            "namespace": GATEWAY,
            "sectionName": gateway.HTTP,
        }
        return {
            "http01": {"gatewayHTTPRoute": {"parentRefs": [port_80], "serviceType": "ClusterIP"}}
        }
    provider, field = DNS_PROVIDERS[settings.challenge]
    token = {field: {"name": TOKEN_SECRET, "key": TOKEN_KEY}}
    # "_acme-challenge" may be a CNAME into a zone at this provider, whoever has the name's own.
    return {"dns01": {"cnameStrategy": "Follow", provider: token}}


def certificate(name: str, domain: str, namespace: str, issuer_name: str) -> Manifest:
    """Return the certificate of one name, kept in the Secret ``name``.

    Each name has its own: with a shared one, a browser would send a request for one name through
    the connection that it has to the other (RFC 9113, section 9.1.1).
    """
    spec = {
        "secretName": name,
        "dnsNames": [domain],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"group": CERT_MANAGER, "kind": "ClusterIssuer", "name": issuer_name},
    }
    return manifest(f"{CERT_MANAGER}/v1", "Certificate", name, spec, namespace)
