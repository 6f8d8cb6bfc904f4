"""The nodes of a cluster, of the size that the settings give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.home import HomeSettings, MachineSize

MASTER = "node-role.kubernetes.io/control-plane"


def nodes(settings: HomeSettings) -> Iterator[dict[str, Any]]:
    """Yield the master and the workers as their kubelets would register them."""
    yield _node(settings.control_plane, {MASTER: ""}, [{"key": MASTER, "effect": "NoSchedule"}])
    for worker in settings.workers.machines:
        yield _node(worker, {}, [])


def _node(
    machine: MachineSize, labels: dict[str, str], taints: list[dict[str, str]]
) -> dict[str, Any]:
    room = {
        "cpu": str(machine.vcpu),
        "memory": str(int(machine.memory)),
        "ephemeral-storage": str(int(machine.root_disk)),
        "pods": "110",
    }
    own = {"kubernetes.io/hostname": machine.name, "kubernetes.io/os": "linux"}
    addresses = [
        {"type": "InternalIP", "address": str(machine.address)},
        {"type": "Hostname", "address": machine.name},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": machine.name, "labels": {**own, **labels}},
        "spec": {"taints": taints},
        "status": {"capacity": room, "allocatable": room, "addresses": addresses},
    }
