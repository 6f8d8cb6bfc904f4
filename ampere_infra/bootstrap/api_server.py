"""What the API server is told beyond kubeadm's defaults: who comes in, what is noted, what is kept.

Flags and file formats: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap.node.encryption import CONFIG as ENCRYPTION
from ampere_infra.templates import render_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.settings.cluster import Audit

FOLDER: Final = "/etc/ampere/kube-apiserver"
"""The public files; root's alone all the same."""
AUDIT_LOGS: Final = "/var/log/kubernetes/audit"
AUDIT_FILE_MEBIBYTES: Final = 50
ANONYMOUS_PATHS: Final = (
    "/livez",
    "/readyz",
    "/healthz",
    "/api/v1/namespaces/kube-public/configmaps/cluster-info",
)
"""What the kubelet's probes and our gate ask, and what ``kubeadm join`` asks before it trusts.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-authenticator-configuration
"""
FILES: Final = ("admission", "audit-policy", "authentication")


@dataclass(frozen=True)
class Volume:
    """A folder of the master in the API server's pod, at the same path."""

    name: str
    path: str
    kind: str
    """``Directory``: it must be there before the pod."""
    writable: bool = False


VOLUMES: Final = (
    Volume("ampere-config", FOLDER, "Directory"),
    # The folder, not the file: a file that is mounted stays the old one when it is replaced.
    Volume("ampere-encryption", ENCRYPTION.rpartition("/")[0], "Directory"),
    Volume("audit-logs", AUDIT_LOGS, "DirectoryOrCreate", writable=True),
)


def arguments(audit: Audit) -> dict[str, str]:
    """Return the API server's flags."""
    return {
        "admission-control-config-file": f"{FOLDER}/admission.yaml",
        "authentication-config": f"{FOLDER}/authentication.yaml",
        "audit-policy-file": f"{FOLDER}/audit-policy.yaml",
        "audit-log-path": f"{AUDIT_LOGS}/audit.log",
        "audit-log-maxage": str(audit.days),
        "audit-log-maxbackup": str(audit.files),
        "audit-log-maxsize": str(AUDIT_FILE_MEBIBYTES),
        "encryption-provider-config": ENCRYPTION,
        "encryption-provider-config-automatic-reload": "true",
        "profiling": "false",
        "tls-min-version": "VersionTLS13",
    }


def files() -> dict[str, str]:
    """Return path and text of the public files."""
    return {
        f"{FOLDER}/{name}.yaml": render_yaml(
            f"bootstrap/kube-apiserver/{name}.yaml.j2", anonymous_paths=ANONYMOUS_PATHS
        )
        for name in FILES
    }


def encryption_key(drawn: str) -> str:
    """Return the 32 bytes made of a text drawn at random, in base64."""
    return base64.b64encode(hashlib.sha256(drawn.encode()).digest()).decode()


def encryption_config(keys: Sequence[str]) -> str:
    """Return the EncryptionConfiguration, JSON, that encrypts Secrets with the last of ``keys``.

    All others still open what they closed. secretbox (XSalsa20, Poly1305) is what Kubernetes calls
    strong among the providers whose key is in the file: aescbc is open to padding oracles, aesgcm
    needs another key every 200,000 writes.
    https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/#providers

    Args:
        keys: base64 of 32 bytes each, oldest first; a secret.
    """
    named = [{"name": f"key-{n}", "secret": key} for n, key in enumerate(keys, start=1)]
    # Last, what is not encrypted at all: data that an older master has left is still read.
    providers = [{"secretbox": {"keys": named[::-1]}}, {"identity": dict[str, str]()}]
    config = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }
    return json.dumps(config, indent=2) + "\n"
