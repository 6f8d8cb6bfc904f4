"""Commands on the KVM host, as resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi_command import remote

from ampere_infra.machines.piped import piped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from ampere_infra.machines.kvm_host import KvmHost


@dataclass(frozen=True)
class Script:
    """What runs when a resource is made or changed, and when it goes."""

    create: str
    delete: str | None = None
    """Goes on the command line: the provider gives both the same standard input."""
    stdin: str = ""
    """What ``create`` reads."""


def on_host(
    name: str,
    host: KvmHost,
    script: Script,
    opts: pulumi.ResourceOptions,
    triggers: Sequence[pulumi.Input[str]] | None = None,
) -> remote.Command:
    """Run ``script`` on ``host``, again when it changes, and show what it says on stderr."""
    return remote.Command(
        name,
        connection=host.connection(),
        create=piped(script.create),
        delete=script.delete,
        stdin=script.create + script.stdin,
        triggers=triggers,
        logging=remote.Logging.STDERR,
        # sshd accepts no variables, and the provider would complain at every update.
        add_previous_output_in_env=False,
        opts=opts,
    )
