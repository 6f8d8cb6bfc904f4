"""The double of pulumi-command 1.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.command.errors import ExitError
from ampere_infra.rehearsal.doubles.command.kubectl import HostKubectl
from ampere_infra.rehearsal.doubles.command.real import RealCommand, RealHost
from ampere_infra.rehearsal.doubles.command.remote import ModelledCommand
from ampere_infra.rehearsal.doubles.command.shell import Order, Shell
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, items, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

RUN = "command:local:run"


class CommandDouble(Double):
    """The provider."""

    package = "command"
    version = "1.2.1"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.real = RealHost(world, world.reality) if world.reality is not None else None
        kind = ModelledCommand(world) if self.real is None else RealCommand(self.real)
        self.kinds = {"command:remote:Command": kind}
        self.shell = Shell(world)
        self.kubectl = HostKubectl(world.api_server) if world.api_server is not None else None

    def attach(self, engine: str) -> None:
        """Tell the engine from now on what commands say while they run."""
        if self.real is not None:
            self.real.attach(engine)
        if self.kubectl is not None:
            self.kubectl.programs.resume()

    def cancel(self) -> None:
        """End the commands that run on a real host."""
        if self.real is not None:
            self.real.programs.cancel()
        if self.kubectl is not None:
            self.kubectl.programs.cancel()

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Run a command on this machine: only SSH to a host does anything."""
        if token != RUN:
            return super().invoke(token, arguments)
        interpreter = [str(word) for word in items(arguments, "interpreter")]
        line = text(arguments, "command")
        self.world.invocations.append((token, line))
        if not interpreter or interpreter[0] != "ssh":
            raise RefusalError(
                f'exec: "{(interpreter or ["sh"])[0]}": the rehearsal runs nothing on this machine'
            )
        if self.real is not None:
            return {**arguments, **self.real.local(interpreter, line, text(arguments, "stdin"))}
        if self.kubectl is not None and line.startswith("kubectl "):
            return {**arguments, **self.kubectl.run(line)}
        address = interpreter[-1].rpartition("@")[2]
        order = Order.of(address, line, text(arguments, "stdin"))
        try:
            with self.world.lock:
                stdout = self.shell.run(order)
        except ExitError as error:
            raise RefusalError(f'exit status 1: running "{line}":\n{error}\n') from error
        return {**arguments, "stdout": stdout, "stderr": ""}


def double(world: World) -> Double:
    """Return the double of this package."""
    return CommandDouble(world)
