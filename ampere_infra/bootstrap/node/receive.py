"""What comes over SSH by standard input: the CA on the control plane, the token on a worker."""

from __future__ import annotations

import json
import re
import sys

from .core import Failed, at, marked, private_folder, say, write

PKI = "/var/lib/ampere/pki"
"""Our copy of the cluster's CA: ``kubeadm reset`` empties ``/etc/kubernetes/pki``."""
TOKEN = "/var/lib/ampere/join/token"  # noqa: S105 - where it lies


def receive_pki() -> None:
    """Store the CA; its key comes last and starts ``kubeadm-init.path``.

    Raises:
        Failed: the input is no pair of PEM texts, or the cluster has another CA already.
    """
    pair: dict[str, str] = json.loads(sys.stdin.read())
    certificate, key = pair["ca.crt"], pair["ca.key"]
    if "BEGIN CERTIFICATE" not in certificate or "PRIVATE KEY" not in key:
        raise Failed("this is no CA: a certificate and a private key are needed, both PEM")
    folder = private_folder(PKI)
    present = folder / "ca.crt"
    if marked("CONTROL_PLANE_CREATED") and present.read_text(encoding="utf-8") != certificate:
        raise Failed("this control plane was created with another CA; a new CA is a new cluster")
    write(present, certificate, 0o600)
    write(folder / "ca.key", key, 0o600)
    say("the cluster's CA is here")


def receive_token() -> None:
    """Store the bootstrap token; it starts ``kubeadm-join.path``.

    Raises:
        Failed: the input is no bootstrap token.
    """
    token = sys.stdin.read().strip()
    if re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) is None:
        raise Failed("this is no bootstrap token")
    if marked("NODE_JOINED"):
        say("this node has joined before and needs no token")
        return
    private_folder("/var/lib/ampere/join")
    write(at(TOKEN), f"{token}\n", 0o600)
    say("the join token is here")
