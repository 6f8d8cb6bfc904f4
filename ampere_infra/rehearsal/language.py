"""This process as the engine's language host: it runs the program, and hears what the engine does.

It does for an inline program what ``pulumi-language-python-exec`` does for a file, down to an
expected error's being shown as its text alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import grpc  # pyright: ignore[reportMissingTypeStubs]
import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    events_pb2,
    events_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
    resource_pb2_grpc,
)

from ampere_infra.rehearsal.events import Events, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

LARGEST_MESSAGE = 400 * 1024 * 1024
"""In bytes; the engine's own limit."""
FLUSH_SECONDS = 2
IDLE_SECONDS = 60
"""A program whose engine stopped needs no longer than this to notice."""


class _Server(Protocol):
    def add_insecure_port(self, address: str) -> int: ...
    def start(self) -> None: ...
    def stop(self, grace: float | None) -> threading.Event: ...


class _Runtime(language_pb2_grpc.LanguageRuntimeServicer):
    def __init__(self, program: Callable[[], None]) -> None:
        self.program = program
        self.refused = False
        self.cpu_seconds = 0.0
        self.declaring_seconds = 0.0
        self.idle = threading.Event()
        self.idle.set()

    def GetRequiredPlugins(self, request: object, context: object) -> Any:  # noqa: ANN401, N802
        del request, context
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: object, context: object) -> Any:  # noqa: ANN401, N802
        del request, context
        return language_pb2.GetRequiredPackagesResponse()

    def GetPluginInfo(self, request: object, context: object) -> Any:  # noqa: ANN401, N802
        del request, context
        return plugin_pb2.PluginInfo()

    def About(self, request: object, context: object) -> Any:  # noqa: ANN401, N802
        del request, context
        return language_pb2.AboutResponse(executable=sys.executable)

    def Run(self, request: language_pb2.RunRequest, context: object) -> Any:  # noqa: ANN401, N802
        del context
        self.idle.clear()
        try:
            return contextvars.copy_context().run(self._run, request)
        finally:
            self.idle.set()

    def _run(self, request: language_pb2.RunRequest) -> language_pb2.RunResponse:
        began = time.thread_time()
        with ExitStack() as stack:
            monitor = stack.enter_context(_channel(request.monitor_address))
            engine = stack.enter_context(_channel(request.args[0]))
            configure(
                Settings(
                    project=request.project,
                    monitor=resource_pb2_grpc.ResourceMonitorStub(monitor),
                    engine=engine_pb2_grpc.EngineStub(engine),
                    stack=request.stack,
                    parallel=request.parallel,
                    dry_run=request.dryRun,
                    organization=request.organization or "organization",
                )
            )
            set_all_config(dict(request.config), list(request.configSecretKeys))
            try:
                return self._answer(max(request.parallel, 1))
            finally:
                self.cpu_seconds = time.thread_time() - began

    def _declare(self) -> None:
        began = time.thread_time()
        try:
            self.program()
        finally:
            self.declaring_seconds = time.thread_time() - began

    def _answer(self, parallel: int) -> language_pb2.RunResponse:
        self.refused = False
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=4 * parallel))
        loop.set_exception_handler(_on_stray)
        try:
            loop.run_until_complete(run_in_stack(self._declare))
        except pulumi.RunError as error:
            self.refused = True
            pulumi.log.error(str(error))
            return language_pb2.RunResponse(bail=True)
        except grpc.RpcError as error:
            # An engine that stopped does not listen. One that does must not take the program for
            # complete, or it deletes what was not declared yet.
            code = cast("Any", error).code()
            if code == grpc.StatusCode.UNAVAILABLE:
                return language_pb2.RunResponse(bail=True)
            return language_pb2.RunResponse(error=f"the engine answered {code}: {error}")
        except Exception:  # noqa: BLE001 - the engine reports it
            return language_pb2.RunResponse(error=traceback.format_exc())
        finally:
            _drain(loop)
        return language_pb2.RunResponse()


def _channel(address: str) -> Any:  # noqa: ANN401 - grpc has no types
    # Connections of its own: in the pool that a process shares, one to an engine that ended
    # refuses the next engine that got the same port, until it is tried again seconds later.
    options = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return cast("Any", grpc).insecure_channel(address, options=options)


def _on_stray(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Nobody awaits the call that learns first that the engine is gone.
    if isinstance(context.get("exception"), grpc.RpcError):
        loop.stop()


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    del loop, context


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    # How a call ends that is cut off here tells nothing any more.
    loop.set_exception_handler(_ignore)
    while pending := asyncio.all_tasks(loop):
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.wait(pending))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class _Listener(events_pb2_grpc.EventsServicer):
    def __init__(self) -> None:
        self.events = Events()
        self.on_step: Callable[[Step], None] | None = None
        self.ended = threading.Event()
        self.ended.set()

    def StreamEvents(  # noqa: N802 - the protocol's name
        self, request_iterator: Iterable[events_pb2.EventRequest], context: object
    ) -> empty_pb2.Empty:
        del context
        self.ended.clear()
        try:
            for request in request_iterator:
                done = self.events.add(json.loads(request.event), request.event)
                if done is not None and self.on_step is not None:
                    self.on_step(done)
        finally:
            self.ended.set()
        return empty_pb2.Empty()


class Language:
    """A server on this machine's loopback that the engine runs ``program`` through."""

    def __init__(self, program: Callable[[], None]) -> None:
        self._listener = _Listener()
        self._runtime = _Runtime(program)
        options = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        server: Any = grpc.server(ThreadPoolExecutor(max_workers=8), options=options)
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(self._runtime, server)
        events_pb2_grpc.add_EventsServicer_to_server(self._listener, server)
        self._server = cast("_Server", server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self.arguments = (
            f"--client=127.0.0.1:{port}",
            "--exec-kind=auto.inline",
            f"--event-log=tcp://127.0.0.1:{port}",
        )

    @property
    def refused(self) -> bool:
        """Whether the program's last run ended by ``pulumi.RunError``: its input is wrong."""
        return self._runtime.refused

    @property
    def cpu_seconds(self) -> float:
        """How long the program's last run kept its thread busy, Pulumi's SDK included."""
        return self._runtime.cpu_seconds

    @property
    def declaring_seconds(self) -> float:
        """How much of ``cpu_seconds`` it took until everything was declared."""
        return self._runtime.declaring_seconds

    @contextmanager
    def listening(self, events: Events, on_step: Callable[[Step], None] | None) -> Generator[Self]:
        """Collect the engine's events in ``events`` for as long as the context lasts."""
        listener, runtime = self._listener, self._runtime
        listener.events, listener.on_step = events, on_step
        runtime.refused, runtime.cpu_seconds = False, 0.0
        yield self
        listener.ended.wait(FLUSH_SECONDS)
        runtime.idle.wait(IDLE_SECONDS)

    def stop(self) -> None:
        """Close the server; whatever still uses it is cut off."""
        self._server.stop(0).wait()
