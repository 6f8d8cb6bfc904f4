"""What the bootstrap knows of a machine, whichever cloud made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pulumi
    import pulumi_command as command

    from ampere_infra.bootstrap.spec import Nic
    from ampere_infra.settings.home import OnUserDataChange
    from ampere_infra.settings.types import Size


@dataclass(frozen=True)
class Lookout:
    """A host near a machine that notices when the machine restarts, and goes on waiting for it."""

    connection: command.remote.ConnectionArgs
    script: Callable[[str, int], str]
    """Makes what the host runs, of what would wait on the machine and a deadline in seconds."""
    stdin: pulumi.Output[str]
    """What that reads: a secret."""


@dataclass(frozen=True)
class Machine:
    """A machine that answers on SSH."""

    name: str
    address: pulumi.Input[str]
    """Its own IPv4 address: known beforehand, or given by its cloud."""
    connection: command.remote.ConnectionArgs
    """Login, key, pinned host key and, where the machine is behind NAT, the proxy."""
    identity: pulumi.Input[str]
    """Another value means another machine: what a command on it has in its ``triggers``."""
    resource: pulumi.Resource
    """The machine itself, for ``deleted_with``: what is on it goes when it goes."""
    data_identity: pulumi.Input[str] | None = None
    """Changes when the data that outlive the machine are lost; None where none do."""
    lookout: Lookout | None = None
    """Where the machine is waited for; None: on the machine itself."""


@dataclass(frozen=True)
class MachineSpec:
    """One machine as the settings want it."""

    name: str
    vcpu: int
    memory: Size
    root_disk: Size
    data_disk: Size
    nic: Nic
    on_user_data_change: OnUserDataChange
    protect: bool
    """Refuse to replace or delete the machine."""
    protect_data: bool = True
    """Refuse to replace or delete its data volume."""
