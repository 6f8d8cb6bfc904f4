"""The way to the API that a person's kubeconfig names: the KVM host's own address.

That address is of no machine here. ``kubectl`` is told to ask a proxy of loopback for it, which
leads every connection to the API server; the certificate is still that of the address.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Self

import yaml

from ampere_infra.stacks import home_specs as specs
from tests.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster


class Front(AbstractContextManager["Front"]):
    """An HTTP proxy for ``cluster``; ``asked`` is what it was asked to lead to."""

    def __init__(self, cluster: Cluster) -> None:
        self.asked: set[str] = set()
        self._cluster = cluster

    def __enter__(self) -> Self:
        port, asked = self._cluster.plane.ports["apiserver"], self.asked

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked.add(self.rfile.readline().decode().rpartition(" ")[0])
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                with socket.create_connection((LOOPBACK, port)) as there:
                    back = threading.Thread(target=_pass_on, args=(there, self.connection))
                    back.start()
                    _pass_on(self.connection, there)
                    back.join()

        self._server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kubeconfig(self, file: Path) -> Path:
        """Write the administrator's kubeconfig as the program's output has it, by this way."""
        settings = self._cluster.given.settings
        name = settings.cluster.name
        found: dict[str, Any] = yaml.safe_load(self._cluster.kubeconfig.read_text("utf-8"))
        (cluster,), (user,) = found["clusters"], found["users"]
        cluster["name"] = name
        cluster["cluster"]["server"] = specs.api_url(settings)
        cluster["cluster"]["proxy-url"] = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        context = {"name": name, "context": {"cluster": name, "user": user["name"]}}
        config = {**found, "contexts": [context], "current-context": name}
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return file


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
