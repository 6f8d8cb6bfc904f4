"""Namespaces that start closed: what their pods may do, take and talk to is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.outputs import after
from ampere_infra.platform.quantity import processors, quantity
from ampere_infra.platform.traffic import policies
from ampere_infra.settings.namespaces import BUILT_IN, KUBE_SYSTEM
from ampere_infra.settings.types import MIB

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target

DEFAULT_REQUEST = {"cpu": processors(20), "memory": quantity(64 * MIB)}
DEFAULT_LIMIT = {"memory": quantity(512 * MIB)}
"""What a container gets that says nothing; processors are shared, not limited."""
PodSecurity = Literal["restricted", "baseline", "privileged"]


@dataclass(frozen=True)
class NamespaceArgs:
    """One namespace."""

    name: str
    target: Target
    pod_security: PodSecurity = "restricted"
    """What Pod Security Admission enforces; anything but ``restricted`` needs a reason."""
    reason: str = ""
    """Why it cannot be restricted; stands as an annotation on the namespace."""


class Namespace(pulumi.ComponentResource):
    """The namespace: Pod Security level, NetworkPolicies, quota, and a login that opens nothing.

    Whoever puts pods into it depends on this component, so that no pod starts before its policies
    are there.
    """

    name: str
    ready_name: pulumi.Output[str]
    """The name, known once the namespace exists: objects in it take it from here."""

    def __init__(
        self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:Namespace", name, None, opts)
        if args.pod_security != "restricted" and not args.reason:
            raise ValueError(f"namespace {args.name}: say why it is not restricted")
        self.name = args.name
        self._namespace(name, args)
        child = args.target.child(self)
        _policies(name, args.target, args.name, self.ready_name, child)
        _without_token(name, self.ready_name, child)
        self._quota(name, args)
        self.register_outputs({"name": self.ready_name})

    def _namespace(self, name: str, args: NamespaceArgs) -> None:
        modes = ("enforce", "warn", "audit")
        labels = {f"pod-security.kubernetes.io/{mode}": args.pod_security for mode in modes}
        options = args.target.child(self)
        if args.target.records is not None:
            options.hooks = args.target.records.explained(args.name)
        namespace = kubernetes.core.v1.Namespace(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=args.name,
                labels=labels,
                annotations={"ampere/pod-security": args.reason} if args.reason else None,
            ),
            opts=options,
        )
        self.ready_name = after(args.name, namespace)

    def _quota(self, name: str, args: NamespaceArgs) -> None:
        allowance = args.target.allowances.get(args.name)
        if allowance is None:
            return
        kubernetes.core.v1.ResourceQuota(
            f"{name}-quota",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name="quota", namespace=self.ready_name),
            spec=kubernetes.core.v1.ResourceQuotaSpecArgs(
                hard={
                    "pods": str(allowance.pods),
                    "requests.cpu": processors(allowance.cpu),
                    "requests.memory": quantity(allowance.memory),
                }
            ),
            opts=args.target.child(self),
        )
        kubernetes.core.v1.LimitRange(
            f"{name}-limits",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name="limits", namespace=self.ready_name),
            spec=kubernetes.core.v1.LimitRangeSpecArgs(
                limits=[
                    kubernetes.core.v1.LimitRangeItemArgs(
                        type="Container", default_request=DEFAULT_REQUEST, default=DEFAULT_LIMIT
                    )
                ]
            ),
            opts=args.target.child(self),
        )


class BuiltInNamespaces(pulumi.ComponentResource):
    """What is closed in the namespaces that each cluster has.

    Their Pod Security level is the API server's own default, but for ``kube-system``. That one has
    no policies: its pods are the nodes' own, and CoreDNS, which all depend on.
    """

    def __init__(
        self, name: str, target: Target, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:BuiltInNamespaces", name, None, opts)
        for namespace in BUILT_IN:
            child = target.child(self)
            _without_token(namespace, namespace, child)
            if namespace != KUBE_SYSTEM:
                _policies(namespace, target, namespace, namespace, child)
        self.register_outputs({})


def _without_token(name: str, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    """Let pods that name no ServiceAccount get no token.

    The cluster makes the account itself, and again when it is deleted, so it is never deleted.
    """
    kubernetes.core.v1.ServiceAccount(
        f"{name}-default",
        metadata=kubernetes.meta.v1.ObjectMetaArgs(name="default", namespace=namespace),
        automount_service_account_token=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True)),
    )


def _policies(
    name: str,
    target: Target,
    namespace: str,
    ready: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    for policy in policies(target.traffic, namespace):
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{policy.name}",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=policy.name,
                namespace=ready,
                annotations={"ampere/flows": ", ".join(policy.flows)},
            ),
            spec=policy.spec,
            opts=opts,
        )
