"""What all commands on a real host share: who runs them, and who hears what they say."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from ampere_infra.rehearsal.doubles.command.remote import ran
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.programs import CancelledError, Finished, Programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.programs import OnLine
    from ampere_infra.rehearsal.reality import Reality
    from ampere_infra.rehearsal.world import World

_PATIENCE = 2.0
"""Seconds that a line waits for an engine that does not listen."""


class RealHost:
    """The real host, as commands see it."""

    def __init__(self, world: World, reality: Reality) -> None:
        self.world = world
        self.reality = reality
        self.programs = Programs(reality)
        self._channel: grpc.Channel | None = None

    def attach(self, engine: str) -> None:
        """Work for the engine that listens at ``engine``; another one before it has ended."""
        if self._channel is not None:
            self._channel.close()
        self._channel = grpc.insecure_channel(engine) if engine else None
        self.programs.resume()

    def say(self, urn: str, line: str) -> None:
        """Show a line beside a resource, as the provider does."""
        self.world.watch(f"what {urn} says", [line])
        if self._channel is None:
            return
        request = engine_pb2.LogRequest(
            severity=engine_pb2.LogSeverity.INFO, message=line, urn=urn, ephemeral=True
        )
        with contextlib.suppress(grpc.RpcError, ValueError):
            _log(engine_pb2_grpc.EngineStub(self._channel), request)

    def run(self, words: Sequence[str], stdin: str, on_line: OnLine | None = None) -> Finished:
        """Run a program of this machine.

        Raises:
            RefusalError: The engine stops.
        """
        try:
            return self.programs.run(*words, stdin=stdin, on_line=on_line)
        except CancelledError as error:
            raise RefusalError("context canceled") from error

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            RefusalError: The engine stops.
        """
        try:
            self.programs.pause(seconds)
        except CancelledError as error:
            raise RefusalError("context canceled") from error

    def local(self, interpreter: Sequence[str], line: str, stdin: str) -> Properties:
        """Run a command of this machine, which ends with ``line``, and return what it printed."""
        done = self.run([*interpreter, line], stdin)
        if done.code:
            raise RefusalError(ran(f"exit status {done.code}", line, done.both))
        return printed(done)


def printed(done: Finished) -> Properties:
    """Return what a command printed as its outputs have it."""
    return {"stdout": done.stdout.removesuffix("\n"), "stderr": done.stderr.removesuffix("\n")}


def _log(engine: Any, request: engine_pb2.LogRequest) -> None:  # noqa: ANN401 - generated, untyped
    engine.Log(request, timeout=_PATIENCE)
