"""The public side of a cluster against the engine's mocks, for tests to look at."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
from home_cluster import ROOT, Recorder, canary, plain, watch_order

from ampere_infra.platform.certificates import CertManager, CertManagerArgs
from ampere_infra.platform.cilium import Cilium, CiliumArgs
from ampere_infra.platform.gateway import (
    EnvoyGateway,
    EnvoyGatewayArgs,
    PublicGateway,
    PublicGatewayArgs,
)
from ampere_infra.platform.metadata import MetadataGuard, MetadataGuardArgs
from ampere_infra.platform.namespace import BuiltInNamespaces
from ampere_infra.platform.storage import LocalPath
from ampere_infra.platform.target import Target
from ampere_infra.services.api import Api, ApiArgs
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.services.website import Website, WebsiteArgs
from ampere_infra.services.workload import Registry
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.load import read_stack_file
from ampere_infra.settings.quotas import allowances
from ampere_infra.stacks import api_specs, cluster_specs

DIGEST = "sha256:" + "0123456789abcdef" * 4
API_DOMAIN = "api.ampere-data.eu"
WEBSITE_DOMAIN = "www.ampere-data.eu"
ISSUER = "https://login.ampere-data.eu/"
AUDIENCE = "ampere-api"
KEYS = {"acme": canary("acme"), "mobile": canary("mobile")}
NODE = IPv4Address("203.0.113.10")


DOCUMENT: dict[str, Any] = {
    name.removeprefix("ampere:"): section
    for name, section in read_stack_file(ROOT / "Pulumi.api.yaml").items()
}
DOCUMENT["api"]["jwt"] = [
    {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "jwks": "https://login.ampere-data.eu/.well-known/jwks.json",
    }
]
PODS = IPv4Network(DOCUMENT["cluster"]["pod_network"])


def settings(**sections: dict[str, Any]) -> ApiSettings:
    """The api stack's settings and an issuer of tokens, with ``sections`` laid over theirs."""
    document = {name: {**DOCUMENT.get(name, {}), **sections.get(name, {})} for name in DOCUMENT}
    document |= {name: section for name, section in sections.items() if name not in DOCUMENT}
    return ApiSettings.model_validate(document)


def target(chosen: ApiSettings) -> Target:
    addresses = Addresses(api=IPv4Network(NODE), nodes=IPv4Network(NODE), pods=PODS)
    return Target(
        traffic=traffic(api_specs.rows(chosen), addresses),
        release_timeout=900,
        allowances=allowances(chosen),
        charts=Path("charts"),
    )


def deploy(chosen: ApiSettings, keys: dict[str, str]) -> None:
    """Ask for the whole public side, as a stack does."""
    bare = target(chosen)
    BuiltInNamespaces("built-in", bare)
    network = CiliumArgs(bare, "1.20.2", str(NODE), chosen.cluster.pod_network, node_ipam=True)
    cilium = Cilium("network", network)
    guard = MetadataGuard("metadata", MetadataGuardArgs(bare.after(cilium.release)))
    cluster = bare.after(guard.policy)
    LocalPath("storage", cluster_specs.storage(chosen, cluster))
    controller = EnvoyGateway("gateway-controller", EnvoyGatewayArgs(cluster, "1.9.0"))
    token = canary("dns") if chosen.certificates.challenge != "http-01" else None
    certificates = CertManager(
        "certificates",
        CertManagerArgs(cluster, "1.21.1", chosen.certificates, [controller.release], token),
    )
    sites = api_specs.sites(chosen)
    public = PublicGateway(
        "public",
        PublicGatewayArgs(
            cluster,
            chosen.gateway,
            sites,
            certificates.issuer_name,
            [controller.release, certificates.release, certificates.issuer],
        ),
    )
    registry = Registry(chosen.registry, canary("pull"))
    Api(
        "the-api",
        ApiArgs(cluster, chosen.api, chosen.gateway, sites[0], registry, keys, [public]),
    )
    Website(
        "the-website",
        WebsiteArgs(cluster, chosen.website, chosen.gateway, sites[1], registry, [public]),
    )


def record(chosen: ApiSettings, keys: dict[str, str] | None = None) -> Recorder:
    """Run the program against the mocks, as an update and not as a preview."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="ampere", stack="api", preview=False)
    watch_order(recorder)

    @pulumi.runtime.test
    def program() -> None:
        deploy(chosen, KEYS if keys is None else keys)

    program()
    return recorder


@functools.cache
def recorded() -> Recorder:
    """What the sample settings ask for."""
    return record(settings())


def custom_objects(recorder: Recorder) -> list[dict[str, Any]]:
    """The objects of kinds that the SDK has no classes for, as they are applied."""
    fields = ("apiVersion", "kind", "metadata", "spec")
    return [
        {field: plain(asked.inputs[field]) for field in fields}
        for asked in recorder.asked
        if "apiVersion" in asked.inputs and "spec" in asked.inputs and _is_custom(asked.type)
    ]


def _is_custom(token: str) -> bool:
    group = token.split(":")[1].partition("/")[0]
    return group.startswith(("gateway.", "cert-manager.io", "cilium.io"))
