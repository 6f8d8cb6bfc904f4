"""Provider doubles: what Pulumi's engine talks to when no hypervisor, cluster or host is there.

Each package below this one is the double of the Pulumi package of that name; a further one needs
no change here. It is served when the SDK of its name is installed.
"""

from __future__ import annotations

import pkgutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import grpc
from pulumi.runtime.proto import provider_pb2_grpc as service

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ampere_infra.rehearsal.doubles.base import Double
    from ampere_infra.rehearsal.world import World

WORKERS = 32
_LONGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; the engine's own limit."""


def doubles(world: World) -> Iterator[Double]:
    """Yield a double for every package that there is one of and whose SDK is installed."""
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg and find_spec(f"pulumi_{module.name}") is not None:
            yield import_module(f"{__name__}.{module.name}").double(world)


@contextmanager
def serve(world: World) -> Generator[str]:
    """Serve every double on loopback and yield the value for ``PULUMI_DEBUG_PROVIDERS``."""
    options = [
        ("grpc.max_receive_message_length", _LONGEST_MESSAGE),
        ("grpc.max_send_message_length", _LONGEST_MESSAGE),
    ]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS, "double"))
        ports: dict[str, int] = {}
        for double in doubles(world):
            server = grpc.server(pool, options=options)
            service.add_ResourceProviderServicer_to_server(double, server)
            ports[double.package] = server.add_insecure_port("127.0.0.1:0")
            server.start()
            stack.callback(_stop, server)
            stack.callback(double.cancel)
            stack.enter_context(double.beside())
        yield ",".join(f"{package}:{port}" for package, port in ports.items())


def _stop(server: grpc.Server) -> None:
    server.stop(None).wait()
