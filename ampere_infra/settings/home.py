"""The settings of the ``home`` stack, as ``Pulumi.home.yaml`` spells them below ``config:``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from ampere_infra.settings.cluster import (
    Bootstrap,
    Cluster,
    Packages,
    Timeouts,
    Versions,
)
from ampere_infra.settings.services import (
    Airflow,
    Dbt,
    Domains,
    Images,
    MinIO,
    NodePorts,
    PostgreSQL,
    Services,
)
from ampere_infra.settings.site import (
    ControlPlane,
    Host,
    Image,
    MachineSize,
    Network,
    OnUserDataChange,
    Storage,
    Worker,
    Workers,
)
from ampere_infra.settings.types import StackSettings

__all__ = [
    "Airflow",
    "Bootstrap",
    "Cluster",
    "ControlPlane",
    "Dbt",
    "Domains",
    "HomeSettings",
    "Host",
    "Image",
    "Images",
    "MachineSize",
    "MinIO",
    "Network",
    "NodePorts",
    "OnUserDataChange",
    "Packages",
    "PostgreSQL",
    "Services",
    "Storage",
    "Timeouts",
    "Versions",
    "Worker",
    "Workers",
]


class HomeSettings(StackSettings):
    """All settings of ``home``; each field is the key ``ampere:FIELD`` of the stack file."""

    cluster: Cluster
    """What the cluster is called and which networks it has inside."""
    host: Host
    """The KVM host: where libvirtd and the NGINX front run."""
    network: Network
    """The network that the nodes' first interface is on."""
    storage: Storage
    """Where the machines' disks lie on the KVM host."""
    image: Image
    """The cloud image that root disks are laid over."""
    control_plane: ControlPlane
    """The master."""
    workers: Workers
    """The workers and what a change of their user-data does."""
    bootstrap: Bootstrap = Bootstrap()
    """How nodes become a cluster."""
    versions: Versions
    """Every pinned version, in one place."""
    images: Images
    """Container images of our own charts."""
    services: Services
    """The platform's services."""

    def interface(self, machine: MachineSize) -> IPv4Interface:
        """``machine``'s address with the prefix length of the nodes' network."""
        return IPv4Interface(f"{machine.address}/{self.network.subnet.prefixlen}")

    @property
    def api_endpoint(self) -> IPv4Address:
        """Where the program and ``kubectl`` reach the API: the host behind NAT, else the master."""
        return self.host.address if self.network.mode == "nat" else self.control_plane.address
