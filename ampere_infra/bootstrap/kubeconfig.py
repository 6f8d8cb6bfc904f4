"""A kubeconfig from its parts."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Login:
    """How an administrator is known to the API, and the API to the administrator. All PEM."""

    ca: str
    certificate: str
    key: str


def kubeconfig(name: str, server: str, user: str, login: Login) -> str:
    """Return the text of a kubeconfig with one context.

    Args:
        name: of the cluster and the context.
        server: the API's address, ``https://ADDRESS:PORT``.
        user: the administrator's name in it.
        login: certificates and key.
    """
    cluster = {"server": server, "certificate-authority-data": _base64(login.ca)}
    keys = {
        "client-certificate-data": _base64(login.certificate),
        "client-key-data": _base64(login.key),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
