"""A client of a real API server: what of its protocol the doubles and the tests need.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlparse

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
_NOT_FOUND = 404
_REFUSED = 400
_PATIENCE = 60.0
"""Seconds for one answer; a server whose etcd is slow needs some."""


class ApiError(Exception):
    """The server said no, or nothing at all: then ``status`` is 0."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there: the object, its namespace or its kind."""
        return self.status == _NOT_FOUND


@dataclass(frozen=True)
class Resource:
    """A kind of object, as the server knows it."""

    base: str
    """The path of its group and version: ``/apis/apps/v1``."""
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of an object, or without a name of all in its namespace, if any."""
        place = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.base}{place}/{self.plural}" + (f"/{quote(name)}" if name else "")


@dataclass
class Api:
    """A connection for each thread that asks; safe to use from several."""

    kubeconfig: Path
    warnings: list[str] = field(default_factory=list[str])
    """What the server warned of, in order."""
    _open: list[http.client.HTTPSConnection] = field(
        default_factory=list["http.client.HTTPSConnection"], repr=False
    )
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _known: dict[tuple[str, str], Resource] = field(
        default_factory=dict[tuple[str, str], Resource], repr=False
    )

    def __post_init__(self) -> None:
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        self.server: str = config["clusters"][0]["cluster"]["server"]
        self._context = _context(config["clusters"][0]["cluster"], config["users"][0]["user"])

    def close(self) -> None:
        """Close all connections; whoever asks next opens one again."""
        with self._lock:
            for connection in self._open:
                connection.close()

    def get(self, path: str, **query: str) -> Object | None:
        """Return what is at ``path``, or nothing."""
        try:
            return self.request("GET", path, query=query)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def read(self, thing: Mapping[str, Any]) -> Object | None:
        """Return the live state of an object."""
        return self.get(self.path_of(thing))

    def items(self, api_version: str, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """Return all objects of a kind, of one namespace or of all."""
        found = self.get(self.resource(api_version, kind).path(namespace), **query)
        return found["items"] if found else []

    def apply(
        self, thing: Mapping[str, Any], manager: str, *, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Apply an object on the server's side, where an unknown field is an error."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        return self.request("PATCH", self.path_of(thing), thing, APPLY, query)

    def delete(self, thing: Mapping[str, Any], propagation: str = "Foreground") -> bool:
        """Ask for an object's deletion, and tell whether it was there."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        try:
            self.request("DELETE", self.path_of(thing), options)
        except ApiError as error:
            if error.is_missing:
                return False
            raise
        return True

    def path_of(self, thing: Mapping[str, Any]) -> str:
        """Return an object's path."""
        metadata = thing["metadata"]
        resource = self.resource(thing["apiVersion"], thing["kind"])
        return resource.path(metadata.get("namespace") or "default", metadata["name"])

    def resource(self, api_version: str, kind: str) -> Resource:
        """Return what the server knows of a kind.

        Raises:
            ApiError: it knows no such kind.
        """
        if (api_version, kind) not in self._known:
            base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            for each in (self.get(base) or {"resources": []})["resources"]:
                if "/" not in each["name"]:
                    known = Resource(base, each["name"], each["namespaced"])
                    self._known[api_version, each["kind"]] = known
        if (api_version, kind) not in self._known:
            text = f'no matches for kind "{kind}" in version "{api_version}"'
            raise ApiError(text, _NOT_FOUND, "NoMatch")
        return self._known[api_version, kind]

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Ask the server.

        Raises:
            ApiError: it refused, or cannot be reached.
        """
        where = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": kind}
        text = None if body is None else json.dumps(body)
        try:
            status, warnings, answer = self._exchange(method, where, text, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise ApiError(f'{method} "{self.server}{where}": {error}') from error
        with self._lock:
            self.warnings += warnings
        return _judged(status, answer)

    def _exchange(
        self, method: str, where: str, text: str | None, headers: dict[str, str]
    ) -> tuple[int, list[str], bytes]:
        fresh = getattr(self._local, "connection", None) is None
        try:
            return self._ask(method, where, text, headers)
        except (OSError, http.client.HTTPException):
            # A connection that lay idle may be gone; all that is asked here can be asked twice.
            if fresh:
                raise
            self._drop()
            return self._ask(method, where, text, headers)

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()
            with self._lock:
                self._open.remove(connection)

    def _ask(
        self, method: str, where: str, text: str | None, headers: dict[str, str]
    ) -> tuple[int, list[str], bytes]:
        connection: http.client.HTTPSConnection | None
        connection = getattr(self._local, "connection", None)
        if connection is None:
            parsed = urlparse(self.server)
            connection = self._local.connection = http.client.HTTPSConnection(
                str(parsed.hostname), parsed.port, context=self._context, timeout=_PATIENCE
            )
            with self._lock:
                self._open.append(connection)
        connection.request(method, where, text, headers)
        response = connection.getresponse()
        warnings = [_warning(value) for value in response.headers.get_all("Warning", [])]
        return response.status, warnings, response.read()


def _judged(status: int, answer: bytes) -> Object:
    try:
        found: Object = json.loads(answer or b"{}")
    except ValueError:
        found = {"message": answer.decode(errors="replace").strip()}
    if status >= _REFUSED:
        raise ApiError(str(found.get("message", "")), status, str(found.get("reason", "")))
    return found


def _warning(value: str) -> str:
    """Return the text of a ``Warning`` header (RFC 7234, 5.5): ``299 - "text"``."""
    text = value.split(" ", 2)[-1]
    return str(json.loads(text)) if text.startswith('"') else text


def _context(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    pair = (user["client-certificate-data"], user["client-key-data"])
    with tempfile.TemporaryDirectory(prefix="ampere-") as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_bytes(b"".join(base64.b64decode(part) for part in pair))
        context.load_cert_chain(file)
    return context
