"""The settings of the ``home`` stack, as ``Pulumi.home.yaml`` spells them below ``config:``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, ClassVar

from ampere_infra.settings.cluster import (
    Audit,
    Bootstrap,
    Cluster,
    Hardening,
    Packages,
    Timeouts,
    Versions,
)
from ampere_infra.settings.flows import OPTIONAL, PRODUCT
from ampere_infra.settings.namespaces import HOME
from ampere_infra.settings.quotas import HOME as SHARES
from ampere_infra.settings.quotas import KEPT, Quotas, Share, beyond
from ampere_infra.settings.recovery import NEVER, Recovery
from ampere_infra.settings.services import (
    Airflow,
    Backup,
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
from ampere_infra.settings.traffic import Flow, Traffic
from ampere_infra.settings.types import Cpu, Size, StackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Airflow",
    "Audit",
    "Backup",
    "Bootstrap",
    "Cluster",
    "ControlPlane",
    "Dbt",
    "Domains",
    "Hardening",
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
    "Quotas",
    "Recovery",
    "Services",
    "Storage",
    "Timeouts",
    "Versions",
    "Worker",
    "Workers",
]


class HomeSettings(StackSettings):
    """All settings of ``home``; each field is the key ``ampere:FIELD`` of the stack file."""

    namespaces: ClassVar[tuple[str, ...]] = HOME
    """Those that the program makes."""
    known_flows: ClassVar[tuple[Flow, ...]] = (*PRODUCT, *OPTIONAL)
    """The product's own rows of who may talk to whom."""

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
    hardening: Hardening = Hardening()
    """What of the cluster's hardening is a matter of choice."""
    quotas: Quotas = Quotas()
    """What each namespace may take from the workers."""
    traffic: Traffic = Traffic()
    """Who may talk to whom beside the product's own rows."""
    versions: Versions
    """Every pinned version, in one place."""
    images: Images
    """Container images of our own charts."""
    services: Services
    """The platform's services."""
    recovery: Recovery = NEVER
    """The generation of the database; `ampere restore` writes it."""

    @property
    def shares(self) -> Mapping[str, Share]:
        """Each namespace's part of the workers."""
        return SHARES

    @property
    def for_pods(self) -> tuple[Cpu, Size]:
        """What all workers have for pods of services."""
        return beyond(((one.vcpu, one.memory) for one in self.workers.machines), KEPT)

    def interface(self, machine: MachineSize) -> IPv4Interface:
        """``machine``'s address with the prefix length of the nodes' network."""
        return IPv4Interface(f"{machine.address}/{self.network.subnet.prefixlen}")

    @property
    def api_endpoint(self) -> IPv4Address:
        """Where the program and ``kubectl`` reach the API: the host behind NAT, else the master."""
        return self.host.address if self.network.mode == "nat" else self.control_plane.address
