"""The cluster as the control plane's administrator sees it: nodes and bootstrap tokens."""

from __future__ import annotations

import calendar
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from .core import Failed, ask, at, say

ADMIN = "/etc/kubernetes/admin.conf"
STAMP = "%Y-%m-%dT%H:%M:%SZ"
PATIENCE = 300
"""Seconds for an API server that is short of time or starts anew: as long as a slow one takes."""
PAUSE = 5
"""Seconds between two tries, or two looks."""
BUSY = re.compile(
    r"Error from server \((Timeout|ServerTimeout|TooManyRequests|ServiceUnavailable"
    r"|InternalError)\)|unable to return a response in the time allotted|etcdserver: "
    r"|Unable to connect to the server|The connection to the server"
)
"""What kubectl says of a server that may answer later: reasons of metav1.Status, and its own words.

https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#StatusReason
"""


@dataclass(frozen=True)
class Node:
    """A registered node."""

    created: int
    """Seconds since 1970."""
    ready: bool


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the administrator and return its output.

    It is run again while the server is busy, so it must do no harm if it was carried out before.

    Raises:
        Failed: it ended with an error, or the server was busy for ``PATIENCE`` seconds.
    """
    end = time.monotonic() + PATIENCE
    while True:
        status, output, error = ask("kubectl", f"--kubeconfig={at(ADMIN)}", *arguments, stdin=stdin)
        if status == 0:
            return output
        failure = f"kubectl {' '.join(arguments[:3])}: {error.strip()}"
        if not BUSY.search(error) or time.monotonic() >= end:
            raise Failed(failure)
        say(f"once more in {PAUSE} s: {failure}")
        time.sleep(PAUSE)


def nodes() -> dict[str, Node]:
    """Return the registered nodes by name."""
    items: list[dict[str, Any]] = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    return {item["metadata"]["name"]: as_node(item) for item in items}


def as_node(item: dict[str, Any]) -> Node:
    """Return what matters of a Node object."""
    conditions: list[dict[str, str]] = item.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    created = time.strptime(item["metadata"]["creationTimestamp"], STAMP)
    return Node(calendar.timegm(created), ready)


def set_token(token: str, worker: str, minutes: int) -> None:
    """Let ``token`` open the cluster to ``worker`` for ``minutes`` from now; never without end."""
    identity, _, secret = token.partition(".")
    expires = time.strftime(STAMP, time.gmtime(time.time() + 60 * minutes))
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"},
        "stringData": {
            "description": f"The join of {worker}",
            "token-id": identity,
            "token-secret": secret,
            "expiration": expires,
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        },
    }
    options = ("--server-side", "--force-conflicts", "--filename=-")
    kubectl("apply", *options, stdin=json.dumps(manifest))


def remove_token(identity: str) -> None:
    """Remove a token, if it is still there."""
    name = f"bootstrap-token-{identity}"
    kubectl("--namespace=kube-system", "delete", "secret", name, "--ignore-not-found")
