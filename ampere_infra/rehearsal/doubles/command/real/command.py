"""``command:remote:Command`` on real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.command.real.host import printed
from ampere_infra.rehearsal.doubles.command.real.ssh import (
    Connection,
    Dialled,
    connection,
    without_own,
)
from ampere_infra.rehearsal.doubles.command.remote import BROKEN, CommandKind, parse_keys, ran
from ampere_infra.rehearsal.doubles.kind import Call, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, table, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.command.real.host import RealHost
    from ampere_infra.rehearsal.programs import Finished, OnLine

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.1, 1.5, 5.0
"""Seconds between two attempts, as in Pulumi's ``retry``."""
_SHOWN = {
    "": ("stdout", "stderr"),
    "stdoutAndStderr": ("stdout", "stderr"),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
}
_BY_OTHER_WAYS = ("password", "privateKeyPassword", "agentSocketPath")


class RealCommand(CommandKind):
    """A command on a real machine."""

    alone = False

    def __init__(self, host: RealHost) -> None:
        self.host = host

    def run(self, call: Call, identity: str, line: str, inputs: Properties) -> Properties:
        """Dial as often as the connection says, and run ``line`` once."""
        del identity
        if not line:
            return {"stdout": "", "stderr": ""}
        given = table(inputs, "connection")
        parse_keys(given)
        _refuse_unknown(inputs, given)
        shown = _SHOWN.get(text(inputs, "logging"), ())

        def heard(stream: str, said: str) -> None:
            if stream in shown:
                self.host.say(call.urn, said)

        with connection(given, self.host.reality.patience) as target:
            dialled = self._dial(call, target, (line, text(inputs, "stdin")), heard)
        if dialled.status is None:
            raise RefusalError(ran(BROKEN, line, without_own(dialled.done.both)))
        if dialled.status:
            why = f"Process exited with status {dialled.status}"
            raise RefusalError(ran(why, line, dialled.done.both))
        return printed(dialled.done)

    def _dial(
        self, call: Call, target: Connection, order: tuple[str, str], heard: OnLine
    ) -> Dialled:
        line, stdin = order
        failures, pause = {"proxy": 0, "node": 0}, _FIRST_PAUSE
        while True:
            target.forget()
            done: Finished = self.host.run(target.words(line), stdin, heard)
            dialled = target.dialled(done)
            if not dialled.failure:
                return dialled
            failures[dialled.at] += 1
            limit = target.tries(dialled.at)
            if -1 < limit < failures[dialled.at]:
                raise RefusalError(
                    f"{target.prefix}after {limit} failed attempts: {dialled.failure}"
                )
            tries = "inf" if limit < 0 else str(limit)
            self.host.say(call.urn, f"Dial {failures[dialled.at]}/{tries} failed: retrying")
            self.host.pause(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def _refuse_unknown(inputs: Properties, given: Properties) -> None:
    """Refuse what only the real provider can."""
    asked = [name for name in ("environment",) if inputs.get(name)]
    asked += [name for name in _BY_OTHER_WAYS if text(given, name)]
    if asked:
        raise RefusalError(f"the rehearsal gives a command on a real host no {asked[0]}")
