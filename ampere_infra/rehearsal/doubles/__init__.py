"""Provider doubles: what Pulumi's engine talks to when no hypervisor, cluster or host is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import grpc
from pulumi.runtime.proto import provider_pb2_grpc as service

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.world import World

WORKERS = 32
VERSIONS = {
    "libvirt": "0.5.4", "kubernetes": "4.34.2", "command": "1.2.1", "random": "4.21.4", "tls": "5.6.2",
}


@contextmanager
def serve(world: World) -> Iterator[str]:
    """Serve every double on loopback and yield the value for ``PULUMI_DEBUG_PROVIDERS``."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
        ports: dict[str, int] = {}
        for package, version in VERSIONS.items():
            server = grpc.server(pool)
            service.add_ResourceProviderServicer_to_server(Double(package, version, world), server)
            ports[package] = server.add_insecure_port("127.0.0.1:0")
            server.start()
            stack.callback(lambda server=server: server.stop(grace=None).wait())
        yield ",".join(f"{package}:{port}" for package, port in ports.items())
