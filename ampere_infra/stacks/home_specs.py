"""From the home stack's settings to what each component is told: pure, no resource is made."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ampere_infra.bootstrap.spec import API_PORT, ClusterSpec, Nic
from ampere_infra.machines.libvirt import LibvirtSiteArgs
from ampere_infra.machines.machine import MachineSpec
from ampere_infra.platform import nginx
from ampere_infra.platform.cilium import CiliumArgs
from ampere_infra.platform.target import Target
from ampere_infra.services.airflow_dags import git_port
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings import flows
from ampere_infra.settings.mac import mac
from ampere_infra.settings.quotas import allowances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ampere_infra.machines.kvm_host import KvmHost
    from ampere_infra.machines.machine import Machine
    from ampere_infra.platform.records import ReleaseRecords
    from ampere_infra.settings.home import HomeSettings, MachineSize, OnUserDataChange, Worker
    from ampere_infra.settings.traffic import Flow


def api_url(settings: HomeSettings) -> str:
    """Return the API as the program and ``kubectl`` reach it."""
    return f"https://{settings.api_endpoint}:{API_PORT}"


def site(settings: HomeSettings, host: KvmHost) -> LibvirtSiteArgs:
    """Return what machines stand on."""
    return LibvirtSiteArgs(
        cluster=settings.cluster.name,
        host=host,
        network=settings.network,
        pool_path=settings.storage.pool_path,
        image=settings.image,
        host_key_timeout=settings.bootstrap.timeouts.operating_system,
        sudo_probe=sudo_probe(settings),
        protect=settings.control_plane.protect,
    )


def sudo_probe(settings: HomeSettings) -> Sequence[str]:
    """Return what the program runs as root on the host."""
    if not settings.host.apply_nginx:
        return ()
    return nginx.sudo_commands(list(nginx_files(settings)))


def nginx_files(settings: HomeSettings) -> dict[str, str]:
    """Return the files of the host's NGINX, by path."""
    name, services = settings.cluster.name, settings.services
    backends = [worker.address for worker in settings.workers.machines]
    files = {nginx.http_path(name): nginx.http_config(name, nginx.sites(services), backends)}
    stream = _stream(settings)
    return files | ({nginx.stream_path(name): stream} if stream else {})


def _stream(settings: HomeSettings) -> str | None:
    if settings.network.mode != "nat":
        return None
    listen = f"{settings.host.address}:{API_PORT}"
    return nginx.stream_config(settings.cluster.name, listen, settings.control_plane.address)


def front(settings: HomeSettings, host: KvmHost) -> nginx.NginxFrontArgs:
    """Return what the host's NGINX serves."""
    name = settings.cluster.name
    return nginx.NginxFrontArgs(
        cluster=name,
        host=host,
        http=nginx_files(settings)[nginx.http_path(name)],
        stream=_stream(settings),
        apply=settings.host.apply_nginx,
    )


def cluster(settings: HomeSettings) -> ClusterSpec:
    """Return the cluster as its nodes' user-data needs it."""
    host, bootstrap = settings.host, settings.bootstrap
    behind_nat = settings.network.mode == "nat"
    return ClusterSpec(
        name=settings.cluster.name,
        login=settings.cluster.login,
        dns_domain=settings.cluster.dns_domain,
        pod_network=settings.cluster.pod_network,
        service_network=settings.cluster.service_network,
        api_address=settings.control_plane.address,
        api_names=(host.name, str(host.address)) if behind_nat else (),
        distribution=settings.image.distribution,
        kubernetes=settings.versions.kubernetes,
        containerd=settings.versions.containerd,
        packages=bootstrap.packages,
        timeouts=bootstrap.timeouts,
        api_stable_probes=bootstrap.api_stable_probes,
        token_ttl_minutes=bootstrap.token_ttl_minutes,
        audit=settings.hardening.audit,
    )


def control_plane_machine(settings: HomeSettings) -> MachineSpec:
    """Return the master's machine."""
    wanted = settings.control_plane
    return _machine(settings, wanted, wanted.on_user_data_change, protect=wanted.protect)


def worker_machine(settings: HomeSettings, wanted: Worker) -> MachineSpec:
    """Return a worker's machine."""
    return _machine(settings, wanted, settings.workers.on_user_data_change, protect=False)


def _machine(
    settings: HomeSettings, wanted: MachineSize, change: OnUserDataChange, *, protect: bool
) -> MachineSpec:
    return MachineSpec(
        name=wanted.name,
        vcpu=wanted.vcpu,
        memory=wanted.memory,
        root_disk=wanted.root_disk,
        data_disk=wanted.data_disk,
        nic=Nic(
            mac=mac(settings.cluster.name, wanted.name),
            address=settings.interface(wanted),
            gateway=settings.network.gateway,
            nameservers=settings.network.nameservers,
        ),
        on_user_data_change=change,
        protect=protect,
        protect_data=settings.storage.protect_data,
    )


def target(settings: HomeSettings, records: ReleaseRecords, control_plane: Machine) -> Target:
    """Return the cluster that the platform is put on; it dies with the control plane."""
    behind_nat = settings.network.mode == "nat"
    front = settings.network.gateway if behind_nat else settings.host.address
    addresses = Addresses(
        api=IPv4Network(settings.control_plane.address),
        nodes=settings.network.subnet,
        pods=settings.cluster.pod_network,
        front=IPv4Network(front),
    )
    return Target(
        traffic=traffic(rows(settings), addresses),
        release_timeout=settings.bootstrap.timeouts.release,
        allowances=allowances(settings),
        records=records,
        lifetime=control_plane.resource,
    )


def rows(settings: HomeSettings) -> Iterator[Flow]:
    """Yield the rows of who may talk to whom: the product's, of what is switched on, the user's."""
    yield from flows.PRODUCT
    if settings.services.backup:
        yield from flows.backup(settings.services.backup.port)
    if port := git_port(settings.services.airflow.dags):
        yield from flows.git(port)
    yield from settings.traffic.flows


def cilium(settings: HomeSettings, target: Target) -> CiliumArgs:
    """Return what Cilium is told."""
    return CiliumArgs(
        target=target,
        version=settings.versions.cilium,
        api_address=str(settings.control_plane.address),
        pod_network=settings.cluster.pod_network,
    )
