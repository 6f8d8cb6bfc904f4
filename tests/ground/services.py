"""What a KVM host without internet serves to its machines: files over HTTP(S), and the time.

Run on the host: ``python -m tests.ground.services http 80 FOLDER``, ``https 443 FOLDER CERT KEY``,
``metadata ADDRESS FOLDER`` or ``ntp``; each goes on until it is stopped.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ground.stack import PROJECT

if TYPE_CHECKING:
    import subprocess

    from tests.ground.host import TestHost

NTP_EPOCH = 2208988800
"""Seconds from 1900 to 1970 (RFC 5905, 6)."""


def start(host: TestHost, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a service on ``host``, told by its ``arguments``."""
    words = ("env", f"PYTHONPATH={PROJECT}", sys.executable, "-m", __name__)
    return host.start(*words, *arguments, log="services.log")


def http(port: str, folder: str, *pair: str) -> None:
    """Serve the files below ``folder``, by TLS with a certificate's and a key's file."""
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("", int(port)), handler) as server:
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


class Metadata(SimpleHTTPRequestHandler):
    """Tells each server what lies in the folder of its address; ``a/b`` is the file ``a.b``."""

    def translate_path(self, path: str) -> str:
        """Return the file with what ``path`` asks for."""
        name = path.removeprefix("/hetzner/v1/").replace("/", ".")
        return str(Path(self.directory, self.client_address[0], name))


def metadata(address: str, folder: str) -> None:
    """Tell servers what Hetzner's metadata service at ``address`` tells them."""
    with ThreadingHTTPServer((address, 80), partial(Metadata, directory=folder)) as server:
        server.serve_forever()


def ntp() -> None:
    """Tell the host's own time to whoever asks (RFC 5905, a server of stratum 2)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 123))
        while True:
            question, asker = server.recvfrom(512)
            now = stamp(time.time())
            head = struct.pack(">BBbbII4s", 0x24, 2, 6, -20, 0, 0, b"\xc6\x33\x64\x01")
            server.sendto(head + now + question[40:48] + now + stamp(time.time()), asker)


def stamp(seconds: float) -> bytes:
    """Return a time as NTP's 64 bits."""
    whole = int(seconds)
    return struct.pack(">II", whole + NTP_EPOCH, int((seconds - whole) * 2**32))


if __name__ == "__main__":
    {"http": http, "https": http, "metadata": metadata, "ntp": ntp}[sys.argv[1]](*sys.argv[2:])
