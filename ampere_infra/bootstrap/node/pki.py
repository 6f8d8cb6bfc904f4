"""What comes over SSH on the control plane: the cluster's CA, and the keys for its Secrets."""

from __future__ import annotations

import json
import sys

from .core import Failed, at, marked, private_folder, say, write
from .encryption import CONFIG, fingerprints, missing, remember

PKI = "/var/lib/ampere/pki"
"""Our copy of the cluster's CA: ``kubeadm reset`` empties ``/etc/kubernetes/pki``."""


def receive_pki() -> None:
    """Store the CA and the encryption's keys; the CA's key, last, starts ``kubeadm-init.path``.

    Raises:
        Failed: the input is not that, or the cluster has another CA or more keys already.
    """
    given: dict[str, str] = json.loads(sys.stdin.read())
    certificate, key, encryption = given["ca.crt"], given["ca.key"], given["encryption.json"]
    if "BEGIN CERTIFICATE" not in certificate or "PRIVATE KEY" not in key:
        raise Failed("this is no CA: a certificate and a private key are needed, both PEM")
    fingerprints(encryption)
    present = private_folder(PKI) / "ca.crt"
    created = marked("CONTROL_PLANE_CREATED")
    if created and present.read_text(encoding="utf-8") != certificate:
        raise Failed("this control plane was created with another CA; a new CA is a new cluster")
    if created and (lost := missing(encryption)):
        raise Failed(f"Secrets in etcd need {', '.join(lost)}: {REMEDY}")
    private_folder(CONFIG.rpartition("/")[0])
    write(at(CONFIG), encryption, 0o600)
    if created:
        remember()
    write(present, certificate, 0o600)
    write(present.with_name("ca.key"), key, 0o600)
    say("the cluster's CA and the keys for its Secrets are here")


REMEDY = (
    "ampere:hardening.encryption_key never goes down, and the keys come from the stack's own state"
)
