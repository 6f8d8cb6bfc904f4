"""A worker as resources: admitted by the control plane, given its token, joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_random as random

from ampere_infra.bootstrap import gates
from ampere_infra.bootstrap.commands import on_node
from ampere_infra.bootstrap.units import PROGRAM
from ampere_infra.machines.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi_command as command

    from ampere_infra.bootstrap.control_plane import ControlPlane
    from ampere_infra.bootstrap.spec import ClusterSpec
    from ampere_infra.bootstrap.user_data import UserData


@dataclass(frozen=True)
class WorkerArgs:
    """What makes a machine a worker."""

    cluster: ClusterSpec
    machine: Machine
    control_plane: ControlPlane
    user_data: pulumi.Output[UserData]
    """What the settings would give the machine now."""
    platform_ready: Sequence[pulumi.Resource]
    """What must be there before a node joins, such as the pods' network."""


class Worker(pulumi.ComponentResource):
    """A machine that becomes a worker; deleting it drains it and removes its node."""

    machine: Machine
    os_ready: pulumi.Resource
    joined: pulumi.Resource
    """The gate of stage 4: the node is registered and ready."""
    ready: pulumi.Output[str]
    """When the node had joined, once it has."""

    def __init__(
        self, name: str, args: WorkerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:bootstrap:Worker", name, None, opts)
        self.machine = args.machine
        timeouts = args.cluster.timeouts
        self.os_ready = gates.os_ready(
            args.machine, timeouts.operating_system, args.user_data, self._after()
        )
        token = self._token(args.machine)
        membership = self._membership(args, token)
        given = self._give(args, token, membership)
        joined = gates.gate(args.machine, gates.NODE_JOINED, timeouts.join, self._after(given))
        self.joined = joined
        self.ready = joined.stdout
        self.register_outputs({"ready": self.ready})

    def _after(self, *gate: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(gate))

    def _token(self, machine: Machine) -> pulumi.Output[str]:
        """Return the bootstrap token of this very machine; another machine gets another."""
        keepers = {"machine": machine.identity}
        public = random.RandomString(
            f"{machine.name}-token-id",
            length=6,
            upper=False,
            special=False,
            keepers=keepers,
            opts=self._after(),
        )
        secret = random.RandomPassword(
            f"{machine.name}-token-secret",
            length=16,
            upper=False,
            special=False,
            keepers=keepers,
            opts=self._after(),
        )
        return pulumi.Output.secret(pulumi.Output.concat(public.result, ".", secret.result))

    def _membership(self, args: WorkerArgs, token: pulumi.Output[str]) -> command.remote.Command:
        """Admit the worker on the control plane; its deletion drains and removes the node.

        Without the control plane's machine there is nothing to leave.
        """
        timeouts = args.cluster.timeouts
        patience = timeouts.operating_system + timeouts.join
        minutes = args.cluster.token_ttl_minutes
        options = pulumi.ResourceOptions(
            parent=self,
            depends_on=[args.control_plane.api_stable],
            delete_before_replace=True,
            deleted_with=args.control_plane.machine.resource,
            custom_timeouts=pulumi.CustomTimeouts(delete="4h"),
        )
        return on_node(
            f"{args.machine.name}-membership",
            args.control_plane.machine,
            f"sudo -n {PROGRAM} admit {args.machine.name} {minutes}",
            options,
            stdin=token,
            delete=f"sudo -n {PROGRAM} dismiss {args.machine.name} {patience}",
            belongs_to=args.machine,
        )

    def _give(
        self, args: WorkerArgs, token: pulumi.Output[str], membership: pulumi.Resource
    ) -> command.remote.Command:
        """Hand the token to the worker, which starts ``kubeadm join``."""
        return on_node(
            f"{args.machine.name}-join-token",
            args.machine,
            f"sudo -n {PROGRAM} receive-token",
            self._after(self.os_ready, membership, *args.platform_ready),
            stdin=token,
        )
