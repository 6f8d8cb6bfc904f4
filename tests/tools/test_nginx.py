"""The rendered front in a real NGINX, serving on loopback."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from ampere_infra.platform.nginx import Site, http_config, stream_config
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LOOPBACK = IPv4Address("127.0.0.1")
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


def nginx(prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("nginx")
    assert program, "install nginx-light and libnginx-mod-stream"
    return subprocess.run(
        [program, "-p", str(prefix), "-e", str(prefix / "error.log"), "-c", "nginx.conf", *words],
        check=False,
        capture_output=True,
        text=True,
    )


def configure(prefix: Path, http: str, stream: str | None) -> None:
    """Lay the files out as Ubuntu's nginx.conf includes them."""
    for folder in ("conf.d", "modules-enabled", "body"):
        (prefix / folder).mkdir(exist_ok=True)
    (prefix / "modules-enabled/50-mod-stream.conf").write_text(f"load_module {STREAM_MODULE};\n")
    (prefix / "conf.d/cluster.conf").write_text(http)
    if stream is not None:
        (prefix / "modules-enabled/90-cluster-stream.conf").write_text(stream)
    temporary = "".join(
        f"{kind}_temp_path {prefix}/body/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (prefix / "nginx.conf").write_text(
        f"pid {prefix}/nginx.pid;\ninclude modules-enabled/*.conf;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include conf.d/*.conf;\n}}\n"
    )


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(b"hello")
            self.close_connection = True
            return
        self.answer(0)

    def do_PUT(self) -> None:
        self.answer(len(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, size: int) -> None:
        body = f"{self.command} {self.path} {self.headers['Host']} {size}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Generator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Generator[tuple[int, int]]:
    """The HTTP and the stream port of a running front."""
    prefix = tmp_path_factory.mktemp("nginx")
    port, api = free_port(), free_port()
    sites = [
        Site("minio", "minio.local", upstream, streams=True),
        Site("s3", "s3.minio.local", upstream, streams=True),
        Site("airflow", "airflow.local", upstream, streams=False),
        Site("down", "down.local", free_port(), streams=False),
    ]
    configure(
        prefix,
        http_config("ampere-k8s", sites, [LOOPBACK], listen=f"127.0.0.1:{port}"),
        stream_config("ampere-k8s", f"127.0.0.1:{api}", LOOPBACK, upstream),
    )
    started = nginx(prefix)
    assert started.returncode == 0, started.stderr
    yield port, api
    nginx(prefix, "-s", "quit")
    for _ in range(50):
        if not (prefix / "nginx.pid").exists():
            break
        time.sleep(0.1)


def ask(
    port: int, host: str, path: str = "/", method: str = "GET", body: bytes | None = None
) -> tuple[int, str]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as there:
        there.request(method, path, body=body, headers={"Host": host})
        answer = there.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("mode", ["nat", "bridge"])
def test_nginx_accepts_what_is_rendered(mode: str, tmp_path: Path):
    sites = [Site("minio", "minio.local", 30901, streams=True)]
    workers = [IPv4Address(f"127.0.10.{n}") for n in range(1, 101)]
    stream = stream_config("c", f"127.0.0.1:{free_port()}", LOOPBACK) if mode == "nat" else None
    configure(tmp_path, http_config("c", sites, workers, f"127.0.0.1:{free_port()}"), stream)
    tested = nginx(tmp_path, "-t")
    assert tested.returncode == 0, tested.stderr


def test_nginx_accepts_a_cluster_without_workers(tmp_path: Path):
    sites = [Site("minio", "minio.local", 30901, streams=True)]
    configure(tmp_path, http_config("c", sites, [], f"127.0.0.1:{free_port()}"), None)
    tested = nginx(tmp_path, "-t")
    assert tested.returncode == 0, tested.stderr


def test_nginx_refuses_a_broken_configuration(tmp_path: Path):
    sites = [Site("minio", "minio.local; nonsense", 30901, streams=True)]
    configure(tmp_path, http_config("c", sites, [LOOPBACK], f"127.0.0.1:{free_port()}"), None)
    assert nginx(tmp_path, "-t").returncode != 0, "or the tests above prove nothing"


@pytest.mark.parametrize("name", ["minio.local", "s3.minio.local", "airflow.local"])
def test_each_name_reaches_its_service(front: tuple[int, int], name: str):
    assert ask(front[0], name) == (200, f"GET / {name} 0")


def test_s3_gets_host_and_path_as_they_were_signed(front: tuple[int, int]):
    path = "/bucket/a%2Fb%20c//d?list-type=2&prefix=%2F"
    assert ask(front[0], "s3.minio.local:80", path) == (200, f"GET {path} s3.minio.local:80 0")


def test_a_large_object_passes_through(front: tuple[int, int]):
    size = 70 * 1024 * 1024
    status, said = ask(front[0], "s3.minio.local", "/b/o", "PUT", bytes(size))
    assert (status, said) == (200, f"PUT /b/o s3.minio.local {size}")


def test_a_page_takes_no_large_bodies(front: tuple[int, int]):
    port = front[0]
    request = f"PUT / HTTP/1.1\r\nHost: airflow.local\r\nContent-Length: {70 * 1024 * 1024}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as there:
        there.sendall(request.encode())
        assert b" 413 " in there.recv(4096)


def test_an_unknown_name_reaches_nothing(front: tuple[int, int]):
    assert ask(front[0], "bank.example")[0] == 421


def test_a_service_that_is_down_says_so(front: tuple[int, int]):
    assert ask(front[0], "down.local")[0] == 502


def test_a_websocket_is_upgraded(front: tuple[int, int]):
    with socket.create_connection(("127.0.0.1", front[0]), timeout=10) as there:
        there.sendall(
            b"GET /ws HTTP/1.1\r\nHost: minio.local\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n"
        )
        said = b""
        while not said.endswith(b"hello"):
            piece = there.recv(4096)
            assert piece, f"the connection ended after {said!r}"
            said += piece
    assert said.startswith(b"HTTP/1.1 101 ")


def test_the_stream_passes_bytes_to_the_api(front: tuple[int, int]):
    assert ask(front[1], "anything") == (200, "GET / anything 0")


def test_the_versions_of_nginx_stay_unsaid(front: tuple[int, int]):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", front[0])) as there:
        there.request("GET", "/", headers={"Host": "minio.local:80"})
        assert there.getresponse().getheader("Server") == "nginx"
