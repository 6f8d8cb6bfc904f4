"""What a KVM host without internet serves to its machines: files over HTTP(S), and the time.

Run on the host: ``python -m tests.ground.services http 80 FOLDER``, ``https 443 FOLDER CERT KEY``
or ``ntp``; each goes on until it is stopped.
"""

import socket
import ssl
import struct
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

NTP_EPOCH = 2208988800
"""Seconds from 1900 to 1970 (RFC 5905, 6)."""


def http(port: str, folder: str, *pair: str) -> None:
    """Serve the files below ``folder``, by TLS with a certificate's and a key's file."""
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("", int(port)), handler) as server:
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            server.socket = context.wrap_socket(server.socket, server_side=True)
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
    {"http": http, "https": http, "ntp": ntp}[sys.argv[1]](*sys.argv[2:])
