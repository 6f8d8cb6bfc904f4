"""What runs on the public cluster: its platform, its gateway, and what is reached through it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ampere_infra.platform.certificates import CertManager, CertManagerArgs
from ampere_infra.platform.cilium import Cilium
from ampere_infra.platform.gateway import EnvoyGateway, PublicGateway, PublicGatewayArgs
from ampere_infra.platform.metadata import MetadataGuard, MetadataGuardArgs
from ampere_infra.platform.namespace import BuiltInNamespaces
from ampere_infra.platform.storage import LocalPath
from ampere_infra.secrets.kinds import client_keys
from ampere_infra.services.api import Api, ApiArgs
from ampere_infra.services.website import Website, WebsiteArgs
from ampere_infra.services.workload import Registry
from ampere_infra.stacks import api_specs as specs
from ampere_infra.stacks import cluster_specs

if TYPE_CHECKING:
    import pulumi

    from ampere_infra.platform.target import Target
    from ampere_infra.secrets.model import ApiSecrets
    from ampere_infra.settings.api import ApiSettings


@dataclass(frozen=True)
class PublicSideArgs:
    """What the cluster is to run, and on what."""

    settings: ApiSettings
    secrets: ApiSecrets
    dns_token: pulumi.Output[str] | None
    """What opens the DNS that the challenge is answered in, if it is answered there."""
    target: Target
    """The cluster, whose API is stable."""
    address: pulumi.Input[str]
    """The node's, at which Cilium reaches the API."""


def public_side(
    args: PublicSideArgs, opts: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """Declare what runs on the cluster; return each service's address, known once it is open.

    ``opts`` carries the cluster's provider.
    """
    settings, target = args.settings, args.target
    BuiltInNamespaces("built-in", target, opts)
    cilium = Cilium("cilium", specs.cilium(settings, target, args.address), opts)
    guard = MetadataGuard("metadata", MetadataGuardArgs(target.after(cilium.release)), opts)
    guarded = replace(args, target=target.after(guard.policy))
    LocalPath("storage", cluster_specs.storage(settings, guarded.target), opts)
    return _services(guarded, _gateway(guarded, opts), opts)


def _gateway(args: PublicSideArgs, opts: pulumi.ResourceOptions) -> PublicGateway:
    settings, target = args.settings, args.target
    controller = EnvoyGateway("gateway-controller", specs.controller(settings, target), opts)
    certificates = CertManager(
        "certificates",
        CertManagerArgs(
            target=target,
            version=settings.versions.cert_manager,
            settings=settings.certificates,
            definitions=[controller.release],
            token=args.dns_token,
        ),
        opts,
    )
    public = PublicGatewayArgs(
        target=target,
        settings=settings.gateway,
        sites=specs.sites(settings),
        issuer=certificates.issuer_name,
        definitions=[controller.release, certificates.release, certificates.issuer],
    )
    return PublicGateway("public", public, opts)


def _services(
    args: PublicSideArgs, public: PublicGateway, opts: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    settings, secrets, target = args.settings, args.secrets, args.target
    registry = Registry(settings.registry, secrets.output("registry_pull_token"))
    for_api, for_website = specs.sites(settings)
    keys = client_keys(secrets.api_keys.get_secret_value())
    api = Api(
        "api",
        ApiArgs(target, settings.api, settings.gateway, for_api, registry, keys, [public]),
        opts,
    )
    website = Website(
        "website",
        WebsiteArgs(target, settings.website, settings.gateway, for_website, registry, [public]),
        opts,
    )
    return {"api": api.url, "website": website.url}
