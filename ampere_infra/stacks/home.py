"""The home cluster: virtual machines on a KVM host, Kubernetes on them, the data platform on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.bootstrap.control_plane import ControlPlane, ControlPlaneArgs
from ampere_infra.bootstrap.pki import ClusterPki
from ampere_infra.bootstrap.worker import Worker, WorkerArgs
from ampere_infra.machines.kvm_host import kvm_host
from ampere_infra.machines.libvirt import LibvirtSite
from ampere_infra.machines.ways import to_host
from ampere_infra.platform.cilium import Cilium
from ampere_infra.platform.namespace import BuiltInNamespaces
from ampere_infra.platform.nginx import NginxFront
from ampere_infra.platform.provider import cluster_provider
from ampere_infra.platform.records import ReleaseRecords
from ampere_infra.platform.storage import LocalPath
from ampere_infra.secrets import sops
from ampere_infra.secrets.files import secrets_file
from ampere_infra.services.chart_values import judge
from ampere_infra.settings.load import from_engine
from ampere_infra.stacks import cluster_specs
from ampere_infra.stacks import home_specs as specs
from ampere_infra.stacks.home_machines import Machines
from ampere_infra.stacks.home_services import data_platform, export_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.machines.kvm_host import KvmHost
    from ampere_infra.settings.home import HomeSettings


def build() -> None:
    """Declare the stack.

    Raises:
        SettingsError: the settings are wrong, this machine lacks a key that they name, or a chart
            would refuse what it is told.
        SecretsError: the file of secrets cannot be used.
    """
    settings = from_engine("home")
    judge(settings)
    host = kvm_host(settings.host, Path.cwd())
    secrets = sops.read("home", secrets_file("home"))

    pki = ClusterPki("pki", cluster_specs.pki(settings, protect=settings.control_plane.protect))
    site = LibvirtSite("site", specs.site(settings, host))
    front = _front(settings, host, site)
    machines = Machines(settings, site, pki)
    control_plane = _control_plane(settings, machines, pki)
    kubeconfig = pki.kubeconfig(settings.cluster.name, specs.api_url(settings))
    in_cluster = _in_cluster(kubeconfig, control_plane, front)
    records = ReleaseRecords(to_host(host.ssh), kubeconfig)
    target = specs.target(settings, records, control_plane.machine)
    BuiltInNamespaces("built-in", target, in_cluster)
    cilium = Cilium("cilium", specs.cilium(settings, target), in_cluster)
    storage = LocalPath("storage", cluster_specs.storage(settings, target), in_cluster)
    workers = _workers(settings, machines, control_plane, [cilium.release])
    with_workers = target.after(*(worker.joined for worker in workers))
    platform = data_platform(settings, secrets, with_workers, storage.storage_class, in_cluster)

    export_services(settings, platform)
    _export_cluster(settings, kubeconfig, front)


def _front(settings: HomeSettings, host: KvmHost, site: LibvirtSite) -> NginxFront:
    checked = pulumi.ResourceOptions(depends_on=[site.preflight])
    return NginxFront("front", specs.front(settings, host), checked)


def _control_plane(settings: HomeSettings, machines: Machines, pki: ClusterPki) -> ControlPlane:
    machine, user_data = machines.control_plane(settings.control_plane)
    args = ControlPlaneArgs(
        timeouts=settings.bootstrap.timeouts,
        machine=machine,
        pki=pki,
        user_data=user_data,
        workers=[worker.name for worker in settings.workers.machines],
        encryption_key=settings.hardening.encryption_key,
    )
    return ControlPlane(settings.control_plane.name, args)


def _in_cluster(
    kubeconfig: pulumi.Output[str], control_plane: ControlPlane, front: NginxFront
) -> pulumi.ResourceOptions:
    """Return the options of what lives in the cluster: its API is stable, and there is a way."""
    gates = [control_plane.api_stable, *([front.stream] if front.stream else [])]
    # etcd is on the data volume: the cluster is the same one in a machine with more memory.
    machine = control_plane.machine
    provider = cluster_provider(
        "cluster",
        kubeconfig,
        machine.data_identity or machine.identity,
        pulumi.ResourceOptions(depends_on=gates),
    )
    return pulumi.ResourceOptions(provider=provider)


def _workers(
    settings: HomeSettings,
    machines: Machines,
    control_plane: ControlPlane,
    platform_ready: Sequence[pulumi.Resource],
) -> list[Worker]:
    workers: list[Worker] = []
    for spec in settings.workers.machines:
        machine, user_data = machines.worker(spec)
        args = WorkerArgs(
            cluster=specs.cluster(settings),
            machine=machine,
            control_plane=control_plane,
            user_data=user_data,
            platform_ready=platform_ready,
        )
        workers.append(Worker(spec.name, args))
    return workers


def _export_cluster(
    settings: HomeSettings, kubeconfig: pulumi.Output[str], front: NginxFront
) -> None:
    nodes = [settings.control_plane, *settings.workers.machines]
    pulumi.export("kubeconfig", kubeconfig)
    pulumi.export("api_endpoint", specs.api_url(settings))
    pulumi.export("nodes", {node.name: str(node.address) for node in nodes})
    pulumi.export("versions", settings.versions.model_dump())
    if front.http is None:
        pulumi.export("nginx", specs.nginx_files(settings))
