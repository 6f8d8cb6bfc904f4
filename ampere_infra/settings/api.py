"""The settings of the ``api`` stack, as ``Pulumi.api.yaml`` spells them below ``config:``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ampere_infra.settings.cluster import Bootstrap, Cluster, Hardening
from ampere_infra.settings.edge import Api, Certificates, Gateway, PullRegistry, Website
from ampere_infra.settings.hetzner import (
    Access,
    Dns,
    Prices,
    PrivateNetwork,
    Server,
    Tailscale,
)
from ampere_infra.settings.namespaces import PUBLIC
from ampere_infra.settings.plan import found
from ampere_infra.settings.public_flows import OPTIONAL, PRODUCT
from ampere_infra.settings.quotas import KEPT, KEPT_BY_CONTROL_PLANE, PublicQuotas, Share, beyond
from ampere_infra.settings.quotas import public as public_shares
from ampere_infra.settings.traffic import Flow, Traffic
from ampere_infra.settings.types import Cpu, ImageReference, Model, Size, StackSettings, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Access",
    "Api",
    "ApiImages",
    "ApiSettings",
    "ApiVersions",
    "Bootstrap",
    "Certificates",
    "Cluster",
    "Dns",
    "Gateway",
    "Hardening",
    "Prices",
    "PrivateNetwork",
    "PublicQuotas",
    "PullRegistry",
    "Server",
    "Tailscale",
    "Website",
]


class ApiVersions(Model):
    """Every pinned version, in one place."""

    kubernetes: Version
    """Matters at birth only: an upgrade of a running cluster is not a change of this setting."""
    containerd: Version
    """Matters at birth only, like ``kubernetes``."""
    cilium: Version
    """The chart."""
    envoy_gateway: Version
    """The chart, with the definitions of Gateway API."""
    cert_manager: Version
    """The chart."""
    tailscale: Version
    """The package on the server; matters when it joins a tailnet."""


class ApiImages(Model):
    """Container images of our own charts; those of upstream charts come with their versions."""

    local_path_provisioner: ImageReference
    """Makes volumes of pods on the server's disk."""
    local_path_helper: ImageReference
    """Makes and removes a volume's folder."""


class ApiSettings(StackSettings):
    """All settings of ``api``; each field is the key ``ampere:FIELD`` of the stack file."""

    namespaces: ClassVar[tuple[str, ...]] = PUBLIC
    """Those that the program makes."""
    known_flows: ClassVar[tuple[Flow, ...]] = (*PRODUCT, *OPTIONAL)
    """The product's own rows of who may talk to whom."""

    cluster: Cluster
    """What the cluster is called and which networks it has inside."""
    server: Server
    """The one server: control plane, gateway and everything else run on it."""
    network: PrivateNetwork
    """The private network that the server is attached to."""
    access: Access
    """Who may administer the cluster from outside, by SSH and by the API."""
    tailscale: Tailscale = Tailscale()
    """Administration through a tailnet instead of public ports."""
    dns: Dns = Dns()
    """Who answers for the names."""
    prices: Prices = Prices()
    """What Hetzner charges, by its price list."""
    bootstrap: Bootstrap = Bootstrap()
    """How the server becomes a cluster."""
    hardening: Hardening = Hardening()
    """What of the cluster's hardening is a matter of choice."""
    quotas: PublicQuotas = PublicQuotas()
    """What each namespace may take from the server."""
    traffic: Traffic = Traffic()
    """Who may talk to whom beside the product's own rows."""
    versions: ApiVersions
    """Every pinned version, in one place."""
    images: ApiImages
    """Container images of our own charts."""
    gateway: Gateway = Gateway()
    """What the gateway takes from anybody."""
    certificates: Certificates
    """Who makes the certificates."""
    registry: PullRegistry
    """Where the images of API and website come from."""
    api: Api
    """The API."""
    website: Website
    """The website."""

    @property
    def shares(self) -> Mapping[str, Share]:
        """Each namespace's part of the server."""
        return public_shares(
            *(each.max_replicas or each.replicas for each in (self.api, self.website))
        )

    @property
    def for_pods(self) -> tuple[Cpu, Size]:
        """What the server has for pods of services; nothing where its type is not known."""
        row = found(self.prices, self.server.type)
        sizes = [(row.cores, row.memory)] if row else []
        return beyond(sizes, KEPT, KEPT_BY_CONTROL_PLANE)
