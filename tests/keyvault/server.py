"""The server: a proxy on loopback whose tunnels all end here, in Entra or in a vault."""

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer

from tests.keyvault.certificates import server_context
from tests.keyvault.entra import HOST, RESOURCE, Entra
from tests.keyvault.vault import CRYPTO_USER, Identity, RefusedError, Vault

HANGS_SECONDS = 45
"""Less than ``ampere`` gives sops, so that a caller who stays is seen."""
IDENTITY_PATH = "/metadata/identity/oauth2/token"
TENANT = "11111111-1111-1111-1111-111111111111"
DEVELOPER = Identity(
    TENANT, "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"
)


@dataclass(frozen=True)
class Call:
    """One request that was answered."""

    host: str
    method: str
    path: str
    status: int
    body: str = ""


@dataclass
class Azure:
    """All that the server knows, and how it is told to misbehave."""

    port: int
    silent_port: int
    """Takes connections and never says a word."""
    ca: Path
    entra: Entra = field(default_factory=lambda: Entra(TENANT, DEVELOPER))
    vaults: dict[str, Vault] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    down: bool = False
    """No tunnel to a vault is made, as behind a proxy that does not reach it."""
    failing: int = 0
    """So many of the next requests to a vault are answered with 503."""
    hanging: bool = False
    """A vault takes requests and answers none."""
    before_answer: Callable[[str], None] | None = None
    """Called with the path while a vault's caller waits."""
    waited_out: bool = False
    """Whether a caller stayed with a vault that hangs for ``HANGS_SECONDS``."""
    released: threading.Event = field(default_factory=threading.Event)

    def vault(self, name: str) -> Vault:
        """Make a vault on which the machine's identity has the role Key Vault Crypto User."""
        made = Vault(name, TENANT, roles={DEVELOPER.object_id: CRYPTO_USER})
        self.vaults[made.host] = made
        return made

    @property
    def environment(self) -> dict[str, str]:
        """What makes sops come here, as the identity of a machine of Azure."""
        here = f"http://127.0.0.1:{self.port}"
        return {
            "SSL_CERT_FILE": str(self.ca),
            "HTTPS_PROXY": here,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": here + IDENTITY_PATH,
            "IDENTITY_HEADER": "x",
        }

    def federated(self, client: str, token_file: Path) -> dict[str, str]:
        """What makes sops come here as CI does, with a token of GitHub's and no secret."""
        return {
            "SSL_CERT_FILE": str(self.ca),
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential",
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": client,
            "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tunnel = ""

    @property
    def home(self) -> "_Server":
        assert isinstance(self.server, _Server)
        return self.server

    def do_CONNECT(self):
        self.tunnel = self.path.rpartition(":")[0]
        azure = self.home.azure
        known = self.tunnel in azure.vaults or self.tunnel == HOST
        if not known or (azure.down and self.tunnel != HOST):
            self.close_connection = True
            self.send_error(503, "Service Unavailable")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        plain = self.connection
        self.request = self.connection = self.home.context.wrap_socket(plain, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        azure, path = self.home.azure, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers: dict[str, str] = {}
        if not self.tunnel and path == IDENTITY_PATH:
            status, answer = azure.entra.of_machine(self.headers.get("X-IDENTITY-HEADER"))
        elif self.tunnel == HOST:
            status, answer = azure.entra.answer(self.command, path, body)
        elif self.tunnel in azure.vaults:
            status, answer, headers = self._of_vault(azure.vaults[self.tunnel], path, body)
        else:
            status, answer = 404, {}
        azure.calls.append(Call(self.tunnel or "127.0.0.1", self.command, path, status, body))
        self._send(status, answer, headers)

    def _of_vault(self, vault, path, body):
        azure = self.home.azure
        if azure.before_answer:
            azure.before_answer(path)
        if azure.hanging:
            azure.waited_out |= not azure.released.wait(HANGS_SECONDS)
        if azure.failing:
            azure.failing -= 1
            return 503, {"error": {"code": "ServiceUnavailable", "message": "Try again."}}, {}
        challenge = {
            "WWW-Authenticate": f'Bearer authorization="https://{HOST}/{vault.tenant}", '
            f'resource="{RESOURCE}"'
        }
        who = azure.entra.caller(self.headers.get("Authorization") or "")
        if who is None:
            text = "AKV10000: Request is missing a Bearer or PoP token."
            return 401, {"error": {"code": "Unauthorized", "message": text}}, challenge
        parts = [part for part in path.split("/") if part]
        try:
            return 200, vault.answer(who, self.command, parts, json.loads(body or "{}")), {}
        except RefusedError as refused:
            headers = challenge if refused.status == 401 else {}
            return refused.status, {"error": refused.body}, headers

    def _send(self, status, answer, headers):
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def handle(self):
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            super().handle()

    def finish(self):
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def log_message(self, format, *args):  # noqa: A002
        """Keep quiet: the calls are kept in a list."""


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    azure: Azure
    context: ssl.SSLContext


@contextmanager
def serving(folder: Path):
    """Serve a new Azure while the context lasts; its CA is ``folder/ca.pem``."""
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, _Server(("127.0.0.1", 0), _Handler) as server:
        ports = server.server_address[1], silent.getsockname()[1]
        server.azure = Azure(*ports, folder / "ca.pem")
        server.context = server_context(folder, ["*.vault.azure.net", HOST])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.azure
        finally:
            server.azure.released.set()
            server.shutdown()
