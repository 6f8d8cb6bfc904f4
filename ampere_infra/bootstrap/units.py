"""The systemd units of a node, by role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap.spec import DATA_MOUNT, Role
from ampere_infra.templates import render

if TYPE_CHECKING:
    from ampere_infra.bootstrap.spec import ClusterSpec, NodeSpec

PROGRAM: Final = "/usr/local/sbin/ampere-node"
TAILNET_PROGRAM: Final = "/usr/local/sbin/ampere-tailnet"
FOLDER: Final = "/etc/systemd/system"
ENABLED: Final = f"{FOLDER}/multi-user.target.wants/ampere.target"
"""By it a boot starts ampere.target, and with it every unit of ours."""
STATE: Final = "/var/lib/ampere"
DATA_LABEL: Final = "ampere-data"
CLUSTER_INFO: Final = f"{STATE}/public/cluster-info"

EVERY_NODE: Final = (
    "ampere-converge.service",
    "ampere-converge.timer",
    "ampere-os-ready.service",
    "ampere-packages.service",
)
DATA_DISK: Final = ("ampere-data-disk.service", "srv-ampere.mount")
OF_ROLE: Final = {
    Role.CONTROL_PLANE: (
        "kubeadm-init.path",
        "kubeadm-init.service",
        "kubeadm-api-stable.service",
        "kubeadm-write-join.service",
        "kubeadm-join-http.service",
        "kubeadm-token-keep.service",
        "kubeadm-token-keep.timer",
    ),
    Role.WORKER: ("kubeadm-join.path", "kubeadm-join.service"),
}
STARTED_BY_ANOTHER: Final = {
    "ampere-converge.service",
    "kubeadm-init.service",
    "kubeadm-join.service",
    "kubeadm-token-keep.service",
}
"""Units of a path or timer; the target wants all others."""
AFTER_PACKAGES: Final = {
    Role.CONTROL_PLANE: "kubeadm-init.path",
    Role.WORKER: "kubeadm-join.path",
}
DONE: Final = {Role.CONTROL_PLANE: CLUSTER_INFO, Role.WORKER: f"{STATE}/NODE_JOINED"}
"""What is there when nothing is left to converge to."""
RETRY: Final = "Restart=on-failure\nRestartSec=15"
"""For ever, but slowly enough that systemd's limit of 5 starts in 10 s is never reached."""


def unit_names(node: NodeSpec) -> tuple[str, ...]:
    """Return the units of ``node`` below its target."""
    disk = DATA_DISK if node.data_device else ()
    return EVERY_NODE + disk + OF_ROLE[node.role]


def unit_files(cluster: ClusterSpec, node: NodeSpec) -> dict[str, str]:
    """Return path and text of every unit and drop-in of ``node``."""
    names = unit_names(node)
    values = {
        "cluster": cluster,
        "node": node,
        "program": PROGRAM,
        "state": STATE,
        "data_label": DATA_LABEL,
        "data_mount": DATA_MOUNT,
        "wanted": [name for name in names if name not in STARTED_BY_ANOTHER],
        "after_packages": AFTER_PACKAGES[node.role],
        "done": DONE[node.role],
        "retry": RETRY,
    }
    files = {
        f"{FOLDER}/{name}": render(f"bootstrap/units/{name}.j2", **values)
        for name in ("ampere.target", *names)
    }
    return files | {
        f"{FOLDER}/kubelet.service.d/20-ampere.conf": render("bootstrap/kubelet.conf.j2", **values)
    }
