"""A container registry on loopback that holds one image, and remembers what it was asked."""

from __future__ import annotations

import json
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.ground.oci import Image, archive

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """What it holds, by digest, and the manifest that a tag of a repository stands for."""

    port: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path, and the registry that the image is named for."""

    def hold(self, repository: str, content: str, folder: Path) -> None:
        """Hold an image of one file at ``repository``:1."""
        (folder / "content").write_text(content)
        archive([Image(f"{repository}:1", folder / "content", "content")], folder / "image.tar")
        with tarfile.open(folder / "image.tar") as tar:
            for name in tar.getnames():
                file = tar.extractfile(name)
                assert file
                if name == "index.json":
                    digest = json.loads(file.read())["manifests"][0]["digest"]
                    self.tags[f"/v2/{repository}/manifests/1"] = digest
                elif name.startswith("blobs/"):
                    self.blobs[name.removeprefix("blobs/").replace("/", ":")] = file.read()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body: bool):
        assert isinstance(self.server, _Server)
        registry = self.server.registry
        address = urlsplit(self.path)
        registry.asked.append((address.path, parse_qs(address.query).get("ns", [""])[0]))
        digest = registry.tags.get(address.path, address.path.rpartition("/")[2])
        body = registry.blobs.get(digest)
        self.send_response(200 if body is not None else 404)
        kind = MANIFEST if "/manifests/" in address.path else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if with_body:
            self.wfile.write(body or b"")

    def log_message(self, format, *words):  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    registry: Registry


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Generator[Registry]:
    """Serve a registry, by https with ``context``."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.registry = Registry(server.server_port)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.registry
        server.shutdown()
