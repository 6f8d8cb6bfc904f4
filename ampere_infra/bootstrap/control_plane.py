"""The control plane as resources: its stages in the plan, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.bootstrap import gates
from ampere_infra.bootstrap.commands import on_node
from ampere_infra.bootstrap.units import PROGRAM
from ampere_infra.machines.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi_command as command

    from ampere_infra.bootstrap.pki import ClusterPki
    from ampere_infra.bootstrap.user_data import UserData
    from ampere_infra.settings.cluster import Timeouts


@dataclass(frozen=True)
class ControlPlaneArgs:
    """What makes a machine the control plane."""

    timeouts: Timeouts
    machine: Machine
    pki: ClusterPki
    user_data: pulumi.Output[UserData]
    """What the settings would give the machine now."""
    workers: Sequence[str]
    """All workers of the settings: one of them may leave only while all others are ready."""
    encryption_key: int = 1
    """Which of the keys for Secrets is the newest."""


class ControlPlane(pulumi.ComponentResource):
    """A machine that becomes the control plane; whoever needs the API depends on ``api_stable``."""

    machine: Machine
    os_ready: pulumi.Resource
    created: pulumi.Resource
    api_stable: pulumi.Resource
    """The gate of stage 2: from here on the API may be used."""
    roster: pulumi.Resource
    ready: pulumi.Output[str]
    """When the API became stable, once it has."""

    def __init__(
        self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:bootstrap:ControlPlane", name, None, opts)
        self.machine = args.machine
        timeouts = args.timeouts
        self.os_ready = gates.os_ready(
            args.machine, timeouts.operating_system, args.user_data, self._after()
        )
        pki = self._push_pki(args)
        self.created = gates.gate(
            args.machine, gates.CONTROL_PLANE_CREATED, timeouts.control_plane, self._after(pki)
        )
        stable = gates.gate(
            args.machine, gates.API_STABLE, timeouts.api_stable, self._after(self.created)
        )
        self.api_stable = stable
        self.ready = stable.stdout
        self.roster = self._roster(args)
        if args.encryption_key > 1:
            self._rewrite_secrets(args, pki)
        self.register_outputs({"ready": self.ready})

    def _after(self, *gate: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(gate))

    def _push_pki(self, args: ControlPlaneArgs) -> command.remote.Command:
        """Hand the CA and the keys for Secrets to the node, which starts ``kubeadm init``."""
        given = {
            "ca.crt": args.pki.ca_cert_pem,
            "ca.key": args.pki.ca_key_pem,
            "encryption.json": args.pki.encryption,
        }
        return on_node(
            f"{args.machine.name}-pki",
            args.machine,
            f"sudo -n {PROGRAM} receive-pki",
            self._after(self.os_ready),
            stdin=pulumi.Output.secret(pulumi.Output.json_dumps(given)),
        )

    def _rewrite_secrets(self, args: ControlPlaneArgs, pki: pulumi.Resource) -> None:
        """Have all Secrets encrypted anew after a change of the key."""
        on_node(
            f"{args.machine.name}-secrets",
            args.machine,
            f"sudo -n {PROGRAM} rewrite-secrets {args.encryption_key}",
            self._after(pki, self.api_stable),
        )

    def _roster(self, args: ControlPlaneArgs) -> command.remote.Command:
        """Tell the node which workers there are to be; updated in place."""
        return on_node(
            f"{args.machine.name}-roster",
            args.machine,
            f"sudo -n {PROGRAM} roster {' '.join(args.workers)}".rstrip(),
            self._after(self.api_stable),
        )
