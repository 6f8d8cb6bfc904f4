"""The settings of the ``home`` stack, as ``Pulumi.home.yaml`` spells them below ``config:``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.types import (
    GIB,
    DnsLabel,
    DnsName,
    HttpsUrl,
    ImageReference,
    Login,
    Model,
    Sha256,
    Size,
    Version,
)

NodePort = Annotated[int, Field(ge=30000, le=32767)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=10, le=7200)]


class Cluster(Model):
    """What the cluster is called and which networks it has inside."""

    name: DnsLabel
    """Names of libvirt objects and of the kubeconfig's context begin with it."""
    login: Login
    """The account on every node that the program's own SSH key opens."""
    dns_domain: DnsName = "cluster.local"
    pod_network: IPv4Network
    service_network: IPv4Network


class Host(Model):
    """The KVM host: where libvirtd and the NGINX front run."""

    name: DnsName
    user: Login
    address: IPv4Address
    """The host's LAN address; the service names and, behind NAT, the API answer there."""
    private_key_file: str = "~/.ssh/id_ed25519"
    """The SSH key of the person or CI that runs Pulumi, on that machine."""
    known_hosts_file: str = "~/.ssh/known_hosts"
    """Where the host's own key is known from; connecting to an unknown host is refused."""
    apply_nginx: bool = True
    """Whether the program installs its NGINX configuration on the host, or only prints it."""


class Network(Model):
    """The network that the nodes' first interface is on."""

    mode: Literal["nat", "bridge"]
    subnet: IPv4Network
    gateway: IPv4Address
    """Behind NAT, the host's own address on the network that libvirt makes."""
    nameservers: Annotated[tuple[IPv4Address, ...], Field(min_length=1)]
    bridge: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,14}$")] | None = None
    """The host's bridge; needed in mode ``bridge``, refused in mode ``nat``."""


class Storage(Model):
    """Where the machines' disks lie on the KVM host."""

    pool_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")]


class Image(Model):
    """The cloud image that root disks are laid over."""

    distribution: Literal["ubuntu-24.04"]
    url: HttpsUrl
    sha256: Sha256
    """Checked on the KVM host after the download, before any disk is laid over it."""


class MachineSize(Model):
    """One machine's hardware and address."""

    name: DnsLabel
    address: IPv4Address
    vcpu: Annotated[int, Field(ge=1, le=64)]
    memory: Size
    root_disk: Size
    data_disk: Size
    """A volume of its own, protected: etcd on the master, volumes of pods on a worker."""


OnUserDataChange = Literal["keep", "refuse", "replace"]
"""What a change of a machine's user-data does, which cloud-init reads at a machine's birth only.

``keep`` leaves the machine as it was born and says so, ``refuse`` stops the plan, ``replace``
rebuilds the machine.
"""


class ControlPlane(MachineSize):
    """The master: etcd is there, so a change of its user-data keeps it unless told otherwise."""

    on_user_data_change: OnUserDataChange = "keep"
    protect: bool = True
    """Refuse to replace or delete the machine until this says false."""


class Worker(MachineSize):
    """A worker."""


class Workers(Model):
    """The workers and what a change of their user-data does."""

    on_user_data_change: OnUserDataChange = "replace"
    """``replace`` drains and rebuilds one worker after the other."""
    machines: tuple[Worker, ...]


class Packages(Model):
    """Where nodes get their packages from: mirrors are for users behind a slow line."""

    ubuntu_mirror: HttpsUrl = "http://archive.ubuntu.com/ubuntu"
    kubernetes_repository: HttpsUrl = "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/"
    """``{minor}`` stands for the minor version, such as 1.36."""
    containerd_repository: HttpsUrl = "https://download.docker.com/linux/ubuntu"
    image_registry: DnsName | None = None
    """A registry that mirrors all others, or none."""


class Timeouts(Model):
    """How long each gate waits, in seconds."""

    operating_system: Seconds = 900
    control_plane: Seconds = 900
    api_stable: Seconds = 600
    join: Seconds = 900
    release: Seconds = 900


class Bootstrap(Model):
    """How nodes become a cluster."""

    packages: Packages = Packages()
    timeouts: Timeouts = Timeouts()
    api_stable_probes: Annotated[int, Field(ge=1, le=100)] = 10
    """How many times in a row ``/readyz`` must answer."""
    token_ttl_minutes: Annotated[int, Field(ge=10, le=1440)] = 60


class Versions(Model):
    """Every pinned version, in one place."""

    kubernetes: Version
    """Matters at birth only: an upgrade of a running cluster is not a change of this setting."""
    containerd: Version
    cilium: Version
    cloudnative_pg: Version
    """The operator's chart."""
    airflow: Version
    """The chart."""


class Images(Model):
    """Container images of our own charts; those of upstream charts come with their versions."""

    local_path_provisioner: ImageReference
    local_path_helper: ImageReference
    postgresql: ImageReference
    minio: ImageReference
    minio_client: ImageReference
    airflow: ImageReference
    dbt: ImageReference


class Domains(Model):
    """The names that the NGINX front on the KVM host serves."""

    minio: DnsName
    s3: DnsName
    airflow: DnsName


class NodePorts(Model):
    """The ports on the nodes that the NGINX front passes requests to."""

    minio: NodePort = 30901
    s3: NodePort = 30900
    airflow: NodePort = 30880


class PostgreSQL(Model):
    """The database cluster."""

    instances: Annotated[int, Field(ge=1, le=9)] = 2
    storage: Size = Size(10 * GIB)


class MinIO(Model):
    """The object store."""

    storage: Size = Size(50 * GIB)
    buckets: Annotated[tuple[DnsLabel, ...], Field(min_length=1)] = ("airflow-logs", "warehouse")


class Airflow(Model):
    """The scheduler of the platform's work."""

    executor: Literal["LocalExecutor", "KubernetesExecutor"] = "KubernetesExecutor"
    admin_user: Login = "admin"
    admin_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    logs_bucket: DnsLabel = "airflow-logs"


class Dbt(Model):
    """What dbt with DuckDB is given when Airflow runs it as a task."""

    bucket: DnsLabel = "warehouse"
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    memory: Size = Size(2 * GIB)


class Services(Model):
    """The platform's services."""

    domains: Domains
    node_ports: NodePorts = NodePorts()
    postgresql: PostgreSQL = PostgreSQL()
    minio: MinIO = MinIO()
    airflow: Airflow
    dbt: Dbt = Dbt()


class HomeSettings(Model):
    """All settings of ``home``; each field is the key ``ampere:FIELD`` of the stack file."""

    cluster: Cluster
    host: Host
    network: Network
    storage: Storage
    image: Image
    control_plane: ControlPlane
    workers: Workers
    bootstrap: Bootstrap = Bootstrap()
    versions: Versions
    images: Images
    services: Services
    secrets_file: str = "secrets/home.enc.yaml"
    """The SOPS file of this stack's secrets, relative to the project's folder."""

    def interface(self, machine: MachineSize) -> IPv4Interface:
        """``machine``'s address with the prefix length of the nodes' network."""
        return IPv4Interface(f"{machine.address}/{self.network.subnet.prefixlen}")

    @property
    def api_endpoint(self) -> IPv4Address:
        """Where the program and ``kubectl`` reach the API: the host behind NAT, else the master."""
        return self.host.address if self.network.mode == "nat" else self.control_plane.address
