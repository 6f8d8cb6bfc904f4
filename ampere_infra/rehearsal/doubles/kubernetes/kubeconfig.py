"""A kubeconfig as a client reads it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlparse

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ampere_infra.rehearsal.doubles.kind import RefusalError

if TYPE_CHECKING:
    from datetime import datetime

_WORDS = "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- {0}"


@dataclass(frozen=True)
class Kubeconfig:
    """What the current context says."""

    server: str = ""
    authority: x509.Certificate | None = None
    client: x509.Certificate | None = None

    @property
    def endpoint(self) -> str:
        """The server's address and port."""
        return urlparse(self.server).netloc

    def trusts(self, pinned: str) -> bool:
        """Tell whether ``pinned`` is the hash of the authority's public key, as kubeadm has it."""
        if self.authority is None:
            return False
        key = self.authority.public_key()
        public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"sha256:{hashlib.sha256(public).hexdigest()}" == pinned

    def lets_in(self, now: datetime) -> bool:
        """Tell whether the API server takes the client's certificate."""
        if self.authority is None or self.client is None:
            return False
        try:
            self.client.verify_directly_issued_by(self.authority)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return self.client.not_valid_before_utc <= now < self.client.not_valid_after_utc


def read(text: str) -> Kubeconfig:
    """Return what the current context of a kubeconfig says.

    Raises:
        RefusalError: it is no kubeconfig with a usable current context.
    """
    try:
        parsed = cast("object", yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RefusalError(_WORDS.format("yaml: cannot unmarshal")) from error
    if not isinstance(parsed, dict):
        raise RefusalError(_WORDS.format("no configuration has been provided"))
    config = cast("dict[str, object]", parsed)
    context = _named(config, "contexts", str(config.get("current-context")), "context")
    cluster = _named(config, "clusters", str(context.get("cluster")), "cluster")
    user = _named(config, "users", str(context.get("user")), "user")
    server = str(cluster.get("server", ""))
    if not urlparse(server).netloc:
        raise RefusalError(_WORDS.format("invalid configuration: no server found for cluster"))
    authority = _certificate(cluster, "certificate-authority-data")
    return Kubeconfig(server, authority, _certificate(user, "client-certificate-data"))


def _certificate(entry: dict[str, object], key: str) -> x509.Certificate | None:
    if key not in entry:
        return None
    try:
        pem = base64.b64decode(str(entry[key]), validate=True)
        return x509.load_pem_x509_certificate(pem)
    except (ValueError, binascii.Error) as error:
        raise RefusalError(_WORDS.format(f"illegal {key}")) from error


def _named(config: dict[str, object], kind: str, name: str, inside: str) -> dict[str, object]:
    entries = config.get(kind)
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            found = cast("dict[str, object]", entry)
            if found.get("name") == name:
                value = found.get(inside)
                return cast("dict[str, object]", value) if isinstance(value, dict) else {}
    raise RefusalError(_WORDS.format(f'invalid configuration: {inside} "{name}" does not exist'))
