"""From the api stack's settings to what each component is told: pure, no resource is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from ampere_infra.bootstrap.spec import (
    API_PORT,
    ClusterSpec,
    NodeSpec,
    Role,
    Tailnet,
)
from ampere_infra.bootstrap.tailnet import Membership
from ampere_infra.machines.hetzner import HetznerSiteArgs, ServerSpec
from ampere_infra.platform.cilium import CiliumArgs
from ampere_infra.platform.gateway import EnvoyGatewayArgs
from ampere_infra.platform.gateway_objects import Site
from ampere_infra.platform.target import Target
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.files import secrets_file
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings import public_flows as flows
from ampere_infra.settings.namespaces import API, WEBSITE
from ampere_infra.settings.quotas import allowances

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

    from ampere_infra.bootstrap.control_plane import ControlPlane
    from ampere_infra.bootstrap.pki import ClusterPki
    from ampere_infra.machines.hetzner import Cloud
    from ampere_infra.platform.records import ReleaseRecords
    from ampere_infra.secrets.model import ApiSecrets
    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.traffic import Flow


def api_url(host: str) -> str:
    """Return the API at ``host``."""
    return f"https://{host}:{API_PORT}"


def site(settings: ApiSettings, cloud: Cloud, pki: ClusterPki) -> HetznerSiteArgs:
    """Return what the server stands in."""
    return HetznerSiteArgs(
        cluster=settings.cluster.name,
        cloud=cloud,
        location=settings.server.location,
        network=settings.network.range,
        subnet=settings.network.subnet,
        admins=settings.access.admins,
        ssh_public_key=pki.ssh_public_key,
        administered_privately=settings.tailscale.enabled,
        protect=settings.server.protect,
    )


def born_with(settings: ApiSettings) -> dict[str, str]:
    """Return the settings that can never be others, by their paths."""
    return {
        "cluster.name": settings.cluster.name,
        "server.name": settings.server.name,
        "server.location": settings.server.location,
        "network.range": str(settings.network.range),
    }


def server(settings: ApiSettings) -> ServerSpec:
    """Return the server."""
    wanted = settings.server
    return ServerSpec(
        name=wanted.name,
        type=wanted.type,
        image=wanted.distribution,
        private_address=settings.network.address,
        backups=wanted.backups,
        protect=wanted.protect,
        on_user_data_change=wanted.on_user_data_change,
        prices=settings.prices,
    )


def cluster(settings: ApiSettings, address: IPv4Address) -> ClusterSpec:
    """Return the cluster as its node's user-data needs it.

    Args:
        settings: the stack's settings.
        address: the server's public one, which Hetzner gives: a gateway on a node has its address.
    """
    bootstrap = settings.bootstrap
    return ClusterSpec(
        name=settings.cluster.name,
        login=settings.cluster.login,
        dns_domain=settings.cluster.dns_domain,
        pod_network=settings.cluster.pod_network,
        service_network=settings.cluster.service_network,
        api_address=address,
        api_names=(str(settings.network.address),),
        distribution=settings.server.distribution,
        kubernetes=settings.versions.kubernetes,
        containerd=settings.versions.containerd,
        packages=bootstrap.packages,
        timeouts=bootstrap.timeouts,
        api_stable_probes=bootstrap.api_stable_probes,
        token_ttl_minutes=bootstrap.token_ttl_minutes,
        audit=settings.hardening.audit,
        workloads_on_control_plane=True,
        may_join_tailnet=True,
        tailnet=tailnet(settings),
    )


def tailnet(settings: ApiSettings) -> Tailnet | None:
    """Return what the server is to be in its tailnet, if it is to be in one."""
    wanted = settings.tailscale
    if not wanted.enabled or wanted.tailnet is None:
        return None
    return Tailnet(
        name=f"{settings.server.name}.{wanted.tailnet}",
        version=settings.versions.tailscale,
        repository=wanted.repository,
        key=wanted.key,
    )


def membership(settings: ApiSettings, secrets: ApiSecrets) -> Membership | None:
    """Return how the server joins its tailnet, if it is to be in one.

    Raises:
        SecretsError: it is, and there is no key for it.
    """
    wanted, found = settings.tailscale, tailnet(settings)
    if found is None:
        return None
    if secrets.tailscale_auth_key is None:
        remedy = "tailscale_auth_key is missing, which ampere:tailscale.enabled needs"
        raise SecretsError(secrets_file("api").as_posix(), remedy)
    return Membership(
        tailnet=found,
        distribution=settings.server.distribution,
        auth_key=secrets.output("tailscale_auth_key"),
        tags=wanted.tags,
        ephemeral=wanted.ephemeral,
        timeout=wanted.timeout,
    )


def dns_token(settings: ApiSettings, secrets: ApiSecrets) -> pulumi.Output[str] | None:
    """Return what opens the DNS that the challenge is answered in, if it is answered there.

    Raises:
        SecretsError: it is, and there is no token for it.
    """
    challenge = settings.certificates.challenge
    if challenge == "http-01":
        return None
    if secrets.dns_token is None:
        remedy = f"dns_token is missing, which ampere:certificates.challenge {challenge} needs"
        raise SecretsError(secrets_file("api").as_posix(), remedy)
    return secrets.output("dns_token")


def node(settings: ApiSettings, address: IPv4Address) -> NodeSpec:
    """Return the only node; Hetzner's servers have one disk."""
    return NodeSpec(settings.server.name, Role.CONTROL_PLANE, address, None)


def target(settings: ApiSettings, records: ReleaseRecords, control_plane: ControlPlane) -> Target:
    """Return the cluster that the platform is put on.

    It dies with the server. The engine leaves out the deletion of what dies with something that is
    replaced because of another replacement, not of what dies with the first one: so the gate after
    ``kubeadm init`` stands for the server, with which it is always replaced.
    """
    node = pulumi.Output.from_input(control_plane.machine.address).apply(
        lambda address: f"{address}/32"
    )
    addresses = Addresses(api=node, nodes=node, pods=settings.cluster.pod_network)
    return Target(
        traffic=traffic(rows(settings), addresses),
        release_timeout=settings.bootstrap.timeouts.release,
        allowances=allowances(settings),
        records=records,
        lifetime=control_plane.created,
    )


def rows(settings: ApiSettings) -> Iterator[Flow]:
    """Yield the rows of who may talk to whom: the product's, of what is switched on, the user's."""
    yield from flows.PRODUCT
    yield from flows.workloads(settings.api.port, settings.website.port)
    if settings.api.jwt:
        yield from flows.TOKENS
    by_http = settings.certificates.challenge == "http-01"
    yield from flows.HTTP_CHALLENGE if by_http else flows.DNS_CHALLENGE
    yield from settings.traffic.flows


def cilium(settings: ApiSettings, target: Target, address: pulumi.Input[str]) -> CiliumArgs:
    """Return what Cilium is told."""
    return CiliumArgs(
        target=target,
        version=settings.versions.cilium,
        api_address=address,
        pod_network=settings.cluster.pod_network,
        node_ipam=True,
    )


def controller(settings: ApiSettings, target: Target) -> EnvoyGatewayArgs:
    """Return what the gateway's controller is told."""
    return EnvoyGatewayArgs(target, settings.versions.envoy_gateway, settings.cluster.dns_domain)


def sites(settings: ApiSettings) -> tuple[Site, Site]:
    """Return the names that the gateway serves: the API's, the website's."""
    return (
        Site("api", settings.api.domain, API),
        Site("website", settings.website.domain, WEBSITE),
    )
