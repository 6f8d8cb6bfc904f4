"""The home cluster's machines, each with what it is born from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.bootstrap.netplan import network_config
from ampere_infra.bootstrap.spec import NodeSpec, Role
from ampere_infra.bootstrap.user_data import UserData, user_data
from ampere_infra.machines.libvirt import DATA_DEVICE, LibvirtMachine, LibvirtMachineArgs
from ampere_infra.stacks import home_specs as specs

if TYPE_CHECKING:
    from ampere_infra.bootstrap.pki import ClusterPki
    from ampere_infra.machines.libvirt import LibvirtSite
    from ampere_infra.machines.machine import Machine, MachineSpec
    from ampere_infra.settings.home import ControlPlane, HomeSettings, MachineSize, Worker


@dataclass(frozen=True)
class Machines:
    """Makes machines of one cluster on one site."""

    settings: HomeSettings
    site: LibvirtSite
    pki: ClusterPki

    def control_plane(self, wanted: ControlPlane) -> tuple[Machine, pulumi.Output[UserData]]:
        """Return the master's machine and its user-data, which does not wait for the CA."""
        cluster, node = specs.cluster(self.settings), _node(wanted, Role.CONTROL_PLANE)
        born = self.pki.ssh_public_key.apply(lambda key: user_data(cluster, node, key, None))
        return self._machine(specs.control_plane_machine(self.settings), born), born

    def worker(self, wanted: Worker) -> tuple[Machine, pulumi.Output[UserData]]:
        """Return a worker's machine and its user-data, which pins the CA."""
        cluster, node = specs.cluster(self.settings), _node(wanted, Role.WORKER)
        born = pulumi.Output.all(self.pki.ssh_public_key, self.pki.ca_hash).apply(
            lambda known: user_data(cluster, node, known[0], known[1])
        )
        return self._machine(specs.worker_machine(self.settings, wanted), born), born

    def _machine(self, spec: MachineSpec, born: pulumi.Output[UserData]) -> Machine:
        args = LibvirtMachineArgs(
            site=self.site,
            spec=spec,
            user_data=born,
            network_config=network_config(spec.nic),
            login=self.settings.cluster.login,
            private_key=self.pki.ssh_private_key,
        )
        return LibvirtMachine(spec.name, args).machine


def _node(wanted: MachineSize, role: Role) -> NodeSpec:
    return NodeSpec(wanted.name, role, wanted.address, DATA_DEVICE)
