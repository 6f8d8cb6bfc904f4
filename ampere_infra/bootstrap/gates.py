"""Gates: a stage's marker as a resource, awaited on the node with a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi

from ampere_infra.bootstrap import drift
from ampere_infra.bootstrap.commands import watching
from ampere_infra.bootstrap.node.core import BLOCKED
from ampere_infra.bootstrap.node_files import BIRTH
from ampere_infra.bootstrap.units import STATE
from ampere_infra.templates import render

if TYPE_CHECKING:
    import pulumi_command as command

    from ampere_infra.bootstrap.user_data import UserData
    from ampere_infra.machines.machine import Machine

PAUSE: Final = 3
"""Seconds between two looks at a marker."""
BLOCKED_GRACE: Final = 30
"""Seconds that a stage must have been blocked for: it may be mended by what goes on elsewhere.

The first try after that which ends blocked again decides: a try that goes on may well succeed.
"""
GRACE: Final = 300
"""Seconds that the engine waits longer than a gate, which knows better why nothing came."""


@dataclass(frozen=True)
class Stage:
    """A marker, who earns it, and how to tell why it is late."""

    marker: str
    units: tuple[str, ...]
    """Their journal is shown when the marker does not come."""
    result: str
    """A file on the node that becomes the gate's output."""


PREPARATION: Final = ("ampere-data-disk.service", "srv-ampere.mount", "ampere-packages.service")
"""What every node does before kubeadm runs on it."""

OS_READY: Final = Stage(
    marker="OS_READY",
    units=("cloud-init*", "cloud-config", "cloud-final", "ampere-os-ready.service"),
    result=BIRTH,
)
CONTROL_PLANE_CREATED: Final = Stage(
    marker="CONTROL_PLANE_CREATED",
    units=(*PREPARATION, "kubeadm-init.service"),
    result=f"{STATE}/CONTROL_PLANE_CREATED",
)
API_STABLE: Final = Stage(
    marker="API_STABLE", units=("kubeadm-api-stable.service",), result=f"{STATE}/API_STABLE"
)
NODE_JOINED: Final = Stage(
    marker="NODE_JOINED",
    units=(*PREPARATION, "kubeadm-join.service"),
    result=f"{STATE}/NODE_JOINED",
)


def script(  # noqa: PLR0913 - tests have places of their own
    node: str,
    stage: Stage,
    deadline: int,
    state: str = STATE,
    *,
    pause: int = PAUSE,
    blocked: str = BLOCKED,
) -> str:
    """Return the POSIX sh text that waits for ``stage`` on ``node``.

    It needs nothing that the first stage brings. It counts its own seconds, because the clock may
    be set meanwhile.

    Args:
        node: the name that its messages begin with.
        stage: what to wait for.
        deadline: after so many seconds it gives up, with the end of the units' journal.
        state: the folder of the markers.
        pause: seconds between two looks.
        blocked: the folder where the node says what only a person can change; it gives up when
            that is written again and again.
    """
    return render(
        "bootstrap/gate.j2",
        node=node,
        name=stage.marker,
        marker=f"{state}/{stage.marker}",
        units=" ".join(f"--unit='{unit}'" for unit in stage.units),
        deadline=deadline,
        pause=pause,
        blocked=blocked,
        grace=BLOCKED_GRACE,
        result=stage.result,
    )


def gate(
    machine: Machine, stage: Stage, deadline: int, opts: pulumi.ResourceOptions
) -> command.remote.Command:
    """Wait for ``stage`` as a resource called like it, again whenever the machine is another.

    Args:
        machine: where to wait.
        stage: what to wait for.
        deadline: in seconds.
        opts: the parent, and the resource that this stage comes after.
    """
    timeouts = pulumi.CustomTimeouts(create=f"{deadline + GRACE}s", update=f"{deadline + GRACE}s")
    options = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(custom_timeouts=timeouts), opts)
    name = f"{machine.name}-{stage.marker.lower().replace('_', '-')}"
    return watching(name, machine, script(machine.name, stage, deadline), deadline, options)


def os_ready(
    machine: Machine,
    deadline: int,
    user_data: pulumi.Output[UserData],
    opts: pulumi.ResourceOptions,
) -> command.remote.Command:
    """Wait for stage 1 and warn of every setting that changed since the machine was born."""
    resource = gate(machine, OS_READY, deadline, opts)

    def compare(known: tuple[str, UserData]) -> None:
        drift.warn(machine.name, resource, known[0], known[1].birth)

    pulumi.Output.all(resource.stdout, user_data).apply(lambda all_: compare((all_[0], all_[1])))
    return resource
