"""The cloud's metadata address, closed to every pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.manifests import Manifest, custom_object, manifest

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target

ADDRESS = "169.254.169.254"
"""Where a server at Hetzner, as in other clouds, reads its user-data
(https://docs.hetzner.cloud/reference/cloud#description/server-metadata)."""


@dataclass(frozen=True)
class MetadataGuardArgs:
    """The cluster; Cilium, whose definitions the policy needs, is among the target's gates."""

    target: Target


class MetadataGuard(pulumi.ComponentResource):
    """The policy, whatever other policies allow; what runs pods waits for it.

    Pods in the node's own network (``hostNetwork``) are the node to Cilium, and are not covered:
    Pod Security keeps them to ``kube-system``.
    """

    policy: pulumi.Resource

    def __init__(
        self, name: str, args: MetadataGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:MetadataGuard", name, None, opts)
        self.policy = custom_object(args.target, self, policy(), args.target.gates)
        self.register_outputs({})


def policy() -> Manifest:
    """Return the policy, which forbids one address and leaves all else as it was.

    A denial wins over whatever allows (https://docs.cilium.io/en/stable/security/policy/deny/). A
    policy with rules for a direction otherwise denies everything else in it to the pods that it
    selects: ``enableDefaultDeny`` keeps this one from doing so
    (https://docs.cilium.io/en/stable/security/policy/intro/#policy-rule).
    """
    spec = {
        "description": "No pod reads the server's user-data and metadata.",
        "endpointSelector": {},
        "enableDefaultDeny": {"ingress": False, "egress": False},
        "egressDeny": [{"toCIDR": [f"{ADDRESS}/32"]}],
    }
    return manifest("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "metadata-closed", spec)
