"""kubeadm's configurations (v1beta4): pure functions of the specifications."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap import api_server
from ampere_infra.bootstrap.node.worker import PLACEHOLDER
from ampere_infra.bootstrap.spec import API_PORT, ETCD_DATA
from ampere_infra.templates import render_yaml

if TYPE_CHECKING:
    from ampere_infra.bootstrap.spec import ClusterSpec, NodeSpec

ELECTION: Final = 5000
"""Milliseconds after which etcd would elect another leader; its own are 1000.

There is one member, so nobody waits for an election; but twice this time and five seconds is what
etcd gives a request (``ReqTimeout`` in its server/config), and an API server whose first requests
take longer ends itself.
"""
PATCHES: Final = "/etc/ampere/kubeadm-patches"
"""What is laid over the manifests that kubeadm writes."""
PROBED_FOR_READINESS: Final = {
    "etcd": True,
    "kube-apiserver": True,
    "kube-controller-manager": False,
    "kube-scheduler": True,
}
"""Those whose manifest has a readiness probe (kubeadm 1.36); all have one for liveness."""
PROBE_PERIOD: Final = 10
"""Seconds between two probes, as kubeadm has them for liveness.

It asks for readiness each second, by two TLS handshakes: on a slow machine a third of a core, and
nobody waits for the answer where there is one of each.
"""
CRI_SOCKET: Final = "unix:///run/containerd/containerd.sock"


def init_config(cluster: ClusterSpec, node: NodeSpec) -> str:
    """Return what ``kubeadm init`` and the kubelets of the whole cluster are given."""
    tailnet = (cluster.tailnet.name,) if cluster.tailnet else ()
    return render_yaml(
        "bootstrap/kubeadm-init.yaml.j2",
        cluster=cluster,
        node=node,
        names=dict.fromkeys((str(cluster.api_address), *cluster.api_names, *tailnet)),
        api_port=API_PORT,
        cri_socket=CRI_SOCKET,
        etcd_data=ETCD_DATA,
        patience=patience(cluster.timeouts.control_plane),
        patches=PATCHES,
        election=ELECTION,
        api_server_arguments=api_server.arguments(cluster.audit),
        api_server_volumes=api_server.VOLUMES,
    )


def patches(cluster: ClusterSpec) -> dict[str, str]:
    """Return the patches by path: how often and how long the control plane's pods are probed.

    One that gives no sign of life is started anew, and is busiest then: on a machine that is short
    of time, kubeadm's 80 seconds make what they wait for impossible.
    """
    failures = patience(cluster.timeouts.control_plane) // 3 // PROBE_PERIOD
    found: dict[str, str] = {}
    for name, probed_for_readiness in PROBED_FOR_READINESS.items():
        container: dict[str, object] = {
            "name": name,
            "livenessProbe": {"failureThreshold": failures},
        }
        if probed_for_readiness:
            container["readinessProbe"] = {"periodSeconds": PROBE_PERIOD}
        patch = {"spec": {"containers": [container]}}
        found[f"{PATCHES}/{name}+strategic.json"] = json.dumps(patch, indent=2) + "\n"
    return found


def join_config(cluster: ClusterSpec, node: NodeSpec, ca_hash: str) -> str:
    """Return what ``kubeadm join`` is given, the CA pinned; the node puts its token in."""
    return render_yaml(
        "bootstrap/kubeadm-join.yaml.j2",
        cluster=cluster,
        node=node,
        ca_hash=ca_hash,
        token_placeholder=PLACEHOLDER,
        api_port=API_PORT,
        cri_socket=CRI_SOCKET,
        patience=patience(cluster.timeouts.join),
    )


def patience(gate: int) -> int:
    """Return the seconds of each wait inside kubeadm, of a gate's seconds.

    Never less than kubeadm's own default of 4 minutes: on slow disks its defaults fail where
    waiting succeeds, and a try that gave up early is begun anew from nothing.
    """
    return max(240, gate // 2)
