"""Cilium: the pods' network, in kube-proxy's place, and what enforces NetworkPolicies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import ReleaseArgs, UpstreamChart, helm_release

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from ampere_infra.platform.target import Target

REPOSITORY = "https://helm.cilium.io"
NODE_PREFIX = 24
"""Each node's share of the pod network: 254 pods' addresses, kubeadm's and kubelet's default."""

NODE_ADDRESS_CLASS = "io.cilium/node"
"""The load balancer class of node IPAM (https://docs.cilium.io/en/stable/network/node-ipam/): the
address is the node's ExternalIP if it has one, else its InternalIP, kubelet's ``--node-ip``."""


@dataclass(frozen=True)
class CiliumArgs:
    """How Cilium reaches the API before any Service works, and which addresses pods get."""

    target: Target
    version: str
    api_address: pulumi.Input[str]
    """The control plane node's own address."""
    pod_network: IPv4Network
    api_port: int = 6443
    node_ipam: bool = False
    """Whether a Service of the class ``NODE_ADDRESS_CLASS`` gets the address of its pods' node."""


class Cilium(pulumi.ComponentResource):
    """The Cilium release in ``kube-system``."""

    release: pulumi.Resource
    ready: pulumi.Output[str]
    """The release's status, known once agents and operator are ready."""

    def __init__(
        self, name: str, args: CiliumArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:Cilium", name, None, opts)
        release = helm_release(
            args.target,
            ReleaseArgs(
                name="cilium",
                namespace="kube-system",
                chart=UpstreamChart(REPOSITORY, "cilium", args.version),
                values=values(args),
            ),
            self,
            [],
        )
        self.release = release
        self.ready = after("deployed", release)
        self.register_outputs({"ready": self.ready})


def values(args: CiliumArgs) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "kubeProxyReplacement": True,
        # "auto" reads a ConfigMap that is not there where the chart is rendered without a cluster.
        "k8sServiceHost": args.api_address,
        "k8sServicePort": args.api_port,
        "ipam": {
            "mode": "cluster-pool",
            "operator": {
                "clusterPoolIPv4PodCIDRList": [str(args.pod_network)],
                "clusterPoolIPv4MaskSize": NODE_PREFIX,
            },
        },
        "nodeIPAM": {"enabled": args.node_ipam},
        "routingMode": "tunnel",
        "tunnelProtocol": "vxlan",
        # One is enough for four nodes, and a second one could never start on a single node.
        "operator": {"replicas": 1, "rollOutPods": True},
        "rollOutCiliumPods": True,
        # Pods without a policy talk freely; namespaces of ours bring their own default deny.
        "policyEnforcementMode": "default",
        # Else an ipBlock never matches a node, and the API server is one.
        "policyCIDRMatchMode": ["nodes"],
        "encryption": {"enabled": False},
        "hubble": {"enabled": True, "relay": {"enabled": False}, "ui": {"enabled": False}},
        # No L7 policies here: one DaemonSet less on small nodes.
        "envoy": {"enabled": False},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
