"""A namespace that starts closed: what its pods may do and whom they may talk to is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.outputs import after
from ampere_infra.platform.traffic import policies

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target

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
    """The namespace with its Pod Security level and its NetworkPolicies.

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
        self._policies(name, args)
        self.register_outputs({"name": self.ready_name})

    def _namespace(self, name: str, args: NamespaceArgs) -> None:
        modes = ("enforce", "warn", "audit")
        labels = {f"pod-security.kubernetes.io/{mode}": args.pod_security for mode in modes}
        namespace = kubernetes.core.v1.Namespace(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=args.name,
                labels=labels,
                annotations={"ampere/pod-security": args.reason} if args.reason else None,
            ),
            opts=args.target.child(self),
        )
        self.ready_name = after(args.name, namespace)

    def _policies(self, name: str, args: NamespaceArgs) -> None:
        for policy in policies(args.target.traffic, args.name):
            kubernetes.networking.v1.NetworkPolicy(
                f"{name}-{policy.name}",
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=policy.name,
                    namespace=self.ready_name,
                    annotations={"ampere/flows": ", ".join(policy.flows)},
                ),
                spec=policy.spec,
                opts=args.target.child(self),
            )
