"""The public cluster: one server at Hetzner, Kubernetes on it, a gateway to what it serves."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.bootstrap.control_plane import ControlPlane, ControlPlaneArgs
from ampere_infra.bootstrap.pki import ClusterPki
from ampere_infra.bootstrap.tailnet import Tailnet, TailnetArgs
from ampere_infra.bootstrap.user_data import UserData, user_data
from ampere_infra.machines.hetzner import (
    Cloud,
    HetznerMachine,
    HetznerMachineArgs,
    HetznerSite,
    Records,
    RecordsArgs,
    birth,
)
from ampere_infra.machines.ways import to_node
from ampere_infra.platform.provider import cluster_provider
from ampere_infra.platform.records import ReleaseRecords
from ampere_infra.secrets import sops
from ampere_infra.secrets.files import secrets_file
from ampere_infra.services.chart_values import judge
from ampere_infra.settings.load import from_engine
from ampere_infra.settings.plan import monthly
from ampere_infra.stacks import api_specs as specs
from ampere_infra.stacks import cluster_specs
from ampere_infra.stacks.api_services import PublicSideArgs, public_side

if TYPE_CHECKING:
    from ampere_infra.bootstrap.tailnet import Membership
    from ampere_infra.machines.machine import Machine
    from ampere_infra.settings.api import ApiSettings


def build() -> None:
    """Declare the stack.

    Raises:
        SettingsError: the settings are wrong, or a chart would refuse what it is told.
        SecretsError: the file of secrets cannot be used.
    """
    settings = from_engine("api")
    judge(settings)
    secrets = sops.read("api", secrets_file("api"))
    membership = specs.membership(settings, secrets)
    dns_token = specs.dns_token(settings, secrets)

    kept = pulumi.ResourceOptions(protect=settings.server.protect)
    born_as = pulumi.ResourceOptions(depends_on=[birth("birth", specs.born_with(settings), kept)])
    pki = ClusterPki("pki", cluster_specs.pki(settings, protect=settings.server.protect), born_as)
    site = HetznerSite("site", specs.site(settings, Cloud(secrets.hcloud_token), pki), born_as)
    server, born = _machine(settings, site, pki)
    tailnet = _tailnet(settings, server, membership)
    machine = tailnet.machine
    control_plane = _control_plane(settings, machine, pki, born)
    endpoint = pulumi.Output.from_input(machine.connection.host).apply(specs.api_url)
    kubeconfig = pki.kubeconfig(settings.cluster.name, endpoint)
    stable = [control_plane.api_stable]
    if membership is not None:
        stable.append(tailnet.name_api(membership.tailnet, control_plane.api_stable))
    in_cluster = _in_cluster(kubeconfig, control_plane, stable)
    records = ReleaseRecords(to_node(machine), kubeconfig)
    target = specs.target(settings, records, control_plane)
    side = PublicSideArgs(settings, secrets, dns_token, target, machine.address)
    urls = public_side(side, in_cluster)

    _export(settings, site, kubeconfig, machine, urls)
    pulumi.export("api_endpoint", endpoint)


def _machine(
    settings: ApiSettings, site: HetznerSite, pki: ClusterPki
) -> tuple[HetznerMachine, pulumi.Output[UserData]]:
    """Return the server and what it is born with, of which its public address is a part."""

    def render(known: tuple[str, str]) -> UserData:
        key, address = known[0], IPv4Address(known[1])
        return user_data(specs.cluster(settings, address), specs.node(settings, address), key, None)

    born = pulumi.Output.all(pki.ssh_public_key, site.ipv4.ip_address).apply(
        lambda known: render((known[0], known[1]))
    )
    args = HetznerMachineArgs(
        site=site,
        spec=specs.server(settings),
        user_data=born,
        login=settings.cluster.login,
        private_key=pki.ssh_private_key,
    )
    return HetznerMachine(settings.server.name, args), born


def _tailnet(
    settings: ApiSettings, server: HetznerMachine, membership: Membership | None
) -> Tailnet:
    """Have the server in its tailnet, or in none; its public door is shut once the first answers.

    Without a tailnet the public ports are open by then, so that it leaves by them.
    """
    args = TailnetArgs(
        machine=server.machine,
        timeouts=settings.bootstrap.timeouts,
        membership=membership,
        public_way=server.public_way,
    )
    tailnet, door = Tailnet("tailnet", args), server.door
    if door is not None and tailnet.joined is not None:
        went_by = (server.host_key.id, tailnet.installed.create, tailnet.joined.stdout)
        after = pulumi.ResourceOptions(parent=server, depends_on=[tailnet.settled])
        door.shut(settings.server.name, went_by, after)
    return tailnet


def _control_plane(
    settings: ApiSettings, machine: Machine, pki: ClusterPki, born: pulumi.Output[UserData]
) -> ControlPlane:
    args = ControlPlaneArgs(
        timeouts=settings.bootstrap.timeouts,
        machine=machine,
        pki=pki,
        user_data=born,
        workers=(),
        encryption_key=settings.hardening.encryption_key,
    )
    return ControlPlane(settings.server.name, args)


def _in_cluster(
    kubeconfig: pulumi.Output[str], control_plane: ControlPlane, stable: list[pulumi.Resource]
) -> pulumi.ResourceOptions:
    """Return the options of what lives in the cluster: its API is stable; etcd is on the server."""
    options = pulumi.ResourceOptions(depends_on=stable)
    provider = cluster_provider("cluster", kubeconfig, control_plane.machine.identity, options)
    return pulumi.ResourceOptions(provider=provider)


def _export(
    settings: ApiSettings,
    site: HetznerSite,
    kubeconfig: pulumi.Output[str],
    machine: Machine,
    urls: dict[str, pulumi.Output[str]],
) -> None:
    domains = [settings.api.domain, settings.website.domain]
    records = Records("records", RecordsArgs(site, domains, settings.dns.zone, settings.dns.ttl))
    address = pulumi.Output.from_input(machine.address)
    pulumi.export("kubeconfig", kubeconfig)
    pulumi.export("urls", urls)
    pulumi.export("server", {"name": machine.name, "ipv4": address, "ipv6": site.ipv6_address})
    pulumi.export("dns_records", records.wanted)
    pulumi.export("dns_set_in", settings.dns.zone or "nowhere: set them where your zone is")
    pulumi.export("monthly_cost", monthly(settings))
    pulumi.export("versions", settings.versions.model_dump())
