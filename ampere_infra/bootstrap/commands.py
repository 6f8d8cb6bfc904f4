"""One command on a node as a resource, with what all of them have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_command as command

from ampere_infra.machines.piped import piped

if TYPE_CHECKING:
    from ampere_infra.machines.machine import Machine


def on_node(  # noqa: PLR0913 - what a command may be given
    name: str,
    machine: Machine,
    create: str,
    opts: pulumi.ResourceOptions,
    *,
    stdin: pulumi.Output[str] | None = None,
    delete: str | None = None,
    belongs_to: Machine | None = None,
) -> command.remote.Command:
    """Run ``create`` on ``machine``, and again when the machine is another.

    Its stdout is an output and is not logged; its stderr is progress. The output of the run before
    is not put into the environment, which a node's SSH refuses: the provider takes that for an
    error when it updates or deletes.

    Args:
        name: of the resource.
        machine: where it runs.
        create: POSIX sh text without any secret.
        opts: the resource's options.
        stdin: what it reads; a secret where that is one.
        delete: what is run when the resource goes.
        belongs_to: the machine whose replacement runs it again, if that is not ``machine``.
    """
    identity = (belongs_to or machine).identity
    return _command(name, machine.connection, create, identity, opts, stdin=stdin, delete=delete)


def watching(
    name: str, machine: Machine, gate: str, deadline: int, opts: pulumi.ResourceOptions
) -> command.remote.Command:
    """Run ``gate``, which waits on ``machine``, from where a restart of it does not end the wait.

    Args:
        name: of the resource.
        machine: what is waited for.
        gate: POSIX sh text without any secret.
        deadline: seconds after which the gate gives up.
        opts: the resource's options.
    """
    if machine.lookout is None:
        return on_node(name, machine, piped(gate), opts, stdin=pulumi.Output.from_input(gate))
    lookout = machine.lookout
    script = lookout.script(gate, deadline)
    stdin = pulumi.Output.concat(script, lookout.stdin)
    return _command(name, lookout.connection, piped(script), machine.identity, opts, stdin=stdin)


def _command(  # noqa: PLR0913 - what a command may be given
    name: str,
    connection: command.remote.ConnectionArgs,
    create: str,
    identity: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    *,
    stdin: pulumi.Output[str] | None,
    delete: str | None = None,
) -> command.remote.Command:
    return command.remote.Command(
        name,
        connection=connection,
        create=create,
        delete=delete,
        stdin=stdin,
        triggers=[identity],
        logging=command.remote.Logging.STDERR,
        add_previous_output_in_env=False,
        opts=opts,
    )
