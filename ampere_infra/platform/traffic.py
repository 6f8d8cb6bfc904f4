"""Who may talk to whom: rows of one table, and the NetworkPolicies that say the same."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

Network = IPv4Network | pulumi.Output[str]
"""In CIDR notation, where a cloud gives it."""
networking = kubernetes.networking.v1
meta = kubernetes.meta.v1


@dataclass(frozen=True)
class Pods:
    """Pods by namespace and labels; no namespace means each one that has policies."""

    namespace: str | None
    labels: tuple[tuple[str, str], ...] = ()
    name: str = "default"
    """What their policy is called; ``default`` is that of all pods of a namespace."""

    def within(self, namespace: str) -> bool:
        """Whether some of these pods are in ``namespace``."""
        return self.namespace in (None, namespace)


@dataclass(frozen=True)
class Outside:
    """Addresses that are no pods': nodes, or the host that fronts the services."""

    networks: tuple[Network, ...]


@dataclass(frozen=True)
class Port:
    """A port of the target's pods, or of the target's host."""

    number: int
    protocol: Literal["TCP", "UDP"] = "TCP"


@dataclass(frozen=True)
class Flow:
    """One row: connections that are allowed, and why."""

    name: str
    source: Pods | Outside
    target: Pods | Outside
    ports: tuple[Port, ...]
    why: str


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy: what its pods may send and receive."""

    name: str
    flows: tuple[str, ...]
    """The rows of the table that it is made of."""
    spec: kubernetes.networking.v1.NetworkPolicySpecArgs


def policies(table: tuple[Flow, ...], namespace: str) -> list[Policy]:
    """Return the policies of ``namespace``, one for each set of pods that the table names.

    The one called ``default`` selects all pods: nothing in, nothing out, but for its own rows.
    """
    ends = [end for flow in table for end in (flow.source, flow.target)]
    named = [end for end in ends if isinstance(end, Pods) and end.within(namespace)]
    labels = {"default": (), **{pods.name: pods.labels for pods in named}}
    return [_policy(table, namespace, name, labels[name]) for name in labels]


def _policy(
    table: tuple[Flow, ...], namespace: str, name: str, labels: tuple[tuple[str, str], ...]
) -> Policy:
    def here(end: Pods | Outside) -> bool:
        return isinstance(end, Pods) and end.within(namespace) and end.name == name

    leaving = [flow for flow in table if here(flow.source)]
    entering = [flow for flow in table if here(flow.target)]
    spec = networking.NetworkPolicySpecArgs(
        pod_selector=_selector(labels),
        policy_types=["Ingress", "Egress"],
        egress=[
            networking.NetworkPolicyEgressRuleArgs(to=_peers(flow.target), ports=_ports(flow))
            for flow in leaving
        ]
        or None,
        ingress=[
            networking.NetworkPolicyIngressRuleArgs(from_=_peers(flow.source), ports=_ports(flow))
            for flow in entering
        ]
        or None,
    )
    return Policy(name, tuple(dict.fromkeys(flow.name for flow in (*leaving, *entering))), spec)


def _selector(labels: tuple[tuple[str, str], ...]) -> kubernetes.meta.v1.LabelSelectorArgs:
    return meta.LabelSelectorArgs(match_labels=dict(labels)) if labels else meta.LabelSelectorArgs()


def _peers(end: Pods | Outside) -> list[kubernetes.networking.v1.NetworkPolicyPeerArgs]:
    if isinstance(end, Outside):
        return [
            networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=_cidr(network)))
            for network in end.networks
        ]
    home = (("kubernetes.io/metadata.name", end.namespace),) if end.namespace else ()
    return [
        networking.NetworkPolicyPeerArgs(
            namespace_selector=_selector(home), pod_selector=_selector(end.labels)
        )
    ]


def _cidr(network: Network) -> pulumi.Input[str]:
    return network if isinstance(network, pulumi.Output) else str(network)


def _ports(flow: Flow) -> list[kubernetes.networking.v1.NetworkPolicyPortArgs]:
    return [
        networking.NetworkPolicyPortArgs(port=port.number, protocol=port.protocol)
        for port in flow.ports
    ]
