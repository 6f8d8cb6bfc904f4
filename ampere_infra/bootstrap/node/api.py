"""The control plane's API: when it is stable, and how workers learn that they may join."""

from __future__ import annotations

import ssl
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .core import Failed, ask, at, facts, mark, say, write
from .pki import PKI

CLUSTER_INFO = "/var/lib/ampere/public/cluster-info"


def api_stable() -> None:
    """Earn ``API_STABLE`` once ``/readyz`` has answered so often in a row.

    Raises:
        Failed: it did not within ten times the time that takes.
    """
    known = facts()
    context = ssl.create_default_context(cafile=str(at(f"{PKI}/ca.crt")))
    url = f"https://{known['api_address']}:{known['api_port']}/readyz"
    needed, pause = known["api_stable_probes"], known["probe_pause"]
    in_a_row = 0
    for _ in range(10 * needed):
        in_a_row = in_a_row + 1 if answers(url, context) else 0
        if in_a_row == needed:
            mark("API_STABLE")
            return
        time.sleep(pause)
    raise Failed(f"{url} never answered {needed} times in a row")


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Return whether ``url`` answers 200."""
    try:
        # S310: the scheme is this program's own.
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:  # noqa: S310
            return answer.status == 200  # noqa: PLR2004
    except (OSError, ValueError):
        return False


def write_join() -> None:
    """Write the public cluster-info for ``kubeadm-join-http``: CA certificate and endpoint.

    Raises:
        Failed: the cluster has none yet.
    """
    admin = at("/etc/kubernetes/admin.conf")
    wanted = ("get", "configmap", "cluster-info", "--output=jsonpath={.data.kubeconfig}")
    status, text, error = ask(
        "kubectl", f"--kubeconfig={admin}", "--namespace=kube-public", *wanted
    )
    if status != 0 or not text:
        raise Failed(f"no cluster-info yet: {error}")
    write(at(CLUSTER_INFO), text + "\n")


class OnlyClusterInfo(BaseHTTPRequestHandler):
    """Answers one path and nothing else."""

    timeout = 10

    def do_GET(self) -> None:
        """Send cluster-info."""
        if self.path != "/cluster-info":
            self.send_error(404)
            return
        body = Path(at(CLUSTER_INFO)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve() -> None:
    """Serve cluster-info on the cluster's address until stopped."""
    known = facts()
    address = (known["api_address"], known["join_port"])
    with ThreadingHTTPServer(address, OnlyClusterInfo) as server:
        say(f"cluster-info is at http://{address[0]}:{address[1]}/cluster-info")
        server.serve_forever()
