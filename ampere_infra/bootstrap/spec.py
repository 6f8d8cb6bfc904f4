"""What the bootstrap is told of a cluster and of a node, whichever cloud the machine is from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ampere_infra.settings.flows import API_SERVER_PORT

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv4Network

    from ampere_infra.settings.cluster import Audit, Packages, Timeouts

DATA_MOUNT: Final = "/srv/ampere"
"""Where a node's data disk is mounted, or a plain folder on a machine without one."""
ETCD_DATA: Final = f"{DATA_MOUNT}/etcd"
LOCAL_PATH: Final = f"{DATA_MOUNT}/local-path"
"""Where the storage class of local volumes puts the pods' data."""
INTERFACE: Final = "lan0"
"""The name every node gives to its network interface, found by its MAC address."""
API_PORT: Final = API_SERVER_PORT
JOIN_PORT: Final = 6444
"""Where ``kubeadm-join-http`` serves cluster-info on the control plane's own address."""


@dataclass(frozen=True)
class Tailnet:
    """What a node needs to become a member of a tailnet, all of it public."""

    name: str
    """The node's DNS name in it (MagicDNS)."""
    version: str
    repository: str
    key: str
    """The fingerprint of the only key that may sign the repository."""


class Role(StrEnum):
    """What a node does."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


@dataclass(frozen=True)
class ClusterSpec:
    """One cluster, as every node's user-data needs it."""

    name: str
    login: str
    """The account on the nodes that the program's own SSH key opens."""
    dns_domain: str
    pod_network: IPv4Network
    service_network: IPv4Network
    api_address: IPv4Address
    """The control plane node's own address: workers and Cilium reach the API there."""
    api_names: tuple[str, ...]
    """Further names and addresses in the API's certificate, such as the host's in front of NAT."""
    distribution: str
    """A key of :data:`ampere_infra.bootstrap.packages.DISTRIBUTIONS`."""
    kubernetes: str
    containerd: str
    packages: Packages
    timeouts: Timeouts
    api_stable_probes: int
    token_ttl_minutes: int
    audit: Audit
    workloads_on_control_plane: bool = False
    """Let kubeadm not mark the control plane: a cluster of one node has nowhere else to run pods.

    Neither by its taint nor by its labels, of which ``exclude-from-external-load-balancers`` would
    keep the node's address from Services.
    """
    may_join_tailnet: bool = False
    """Bring the program that joins a tailnet, now or later."""
    tailnet: Tailnet | None = None
    """The one that the control plane is administered through."""


@dataclass(frozen=True)
class NodeSpec:
    """One node."""

    name: str
    role: Role
    address: IPv4Address
    data_device: str | None
    """The data disk's device, as this kind of machine names it; ``None`` where there is none."""


@dataclass(frozen=True)
class Nic:
    """A node's network interface with its static address."""

    mac: str
    address: IPv4Interface
    gateway: IPv4Address
    nameservers: tuple[IPv4Address, ...]
