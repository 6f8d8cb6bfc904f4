"""The search for secrets that stand in clear where they must not."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from ampere_infra.rehearsal.private_keys import private_lines
from ampere_infra.secrets.kinds import client_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SHORTEST = 8
"""Shorter texts are found by chance."""
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - marks a secret in a state
GENERATED = {
    "tls:index/privateKey:PrivateKey": ("privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"),
    "random:index/randomPassword:RandomPassword": ("result",),
    "random:index/randomString:RandomString": ("result",),
    "random:index/randomBytes:RandomBytes": ("base64", "hex"),
}
"""The properties of resources that the program makes secrets with."""


@dataclass(frozen=True)
class Canary:
    """One secret, or a piece of it that no other text holds."""

    name: str
    text: str


@dataclass(frozen=True)
class Find:
    """A secret in clear."""

    canary: str
    place: str

    def __str__(self) -> str:
        return f"{self.canary} stands in clear in {self.place}"


def canaries(name: str, secret: str) -> Iterator[Canary]:
    """Return what to look for: the text itself, or the lines of a private key that matter."""
    if "PRIVATE KEY" in secret:
        yield from (Canary(name, line) for line in private_lines(secret))
    elif keys := client_keys(secret):
        yield from (Canary(f"{name}.{client}", key) for client, key in keys.items())
    elif len(secret) >= SHORTEST:
        yield Canary(name, secret.strip())


def generated(state: Mapping[str, Any]) -> Iterator[Canary]:
    """Return the secrets that resources made, from a state exported with its secrets shown."""
    for resource in cast("list[dict[str, Any]]", state["deployment"].get("resources") or []):
        outputs: dict[str, object] = resource.get("outputs") or {}
        for name in GENERATED.get(resource["type"], ()):
            value = plain(outputs.get(name))
            if isinstance(value, str) and value:
                yield from canaries(f"{resource['urn'].rpartition('::')[2]}.{name}", value)


def plain(value: object) -> object:
    """Return what a state holds in the place of ``value``, out of a secret's envelope."""
    if isinstance(value, dict) and SECRET_SIGNATURE in value:
        return json.loads(cast("dict[str, str]", value)["plaintext"])
    return cast("object", value)


def search(place: str, content: bytes, sought: Iterable[Canary]) -> Iterator[Find]:
    """Return the secrets that stand in ``content``."""
    for canary in sought:
        if any(form in content for form in forms(canary.text)):
            yield Find(canary.name, place)


def search_files(folder: Path, sought: Iterable[Canary]) -> Iterator[Find]:
    """Return the secrets that stand in a file below ``folder``, or in one's name."""
    sought = tuple(sought)
    for path in sorted(folder.rglob("*")):
        yield from search(f"the name {path}", str(path).encode(), sought)
        if path.is_file():
            yield from search(str(path), path.read_bytes(), sought)


@cache
def forms(text: str) -> frozenset[bytes]:
    """Return every spelling by which ``text`` could stand in a file."""
    raw = text.encode()
    spelled = json.dumps(text)[1:-1]
    found = {raw, spelled.encode(), json.dumps(spelled)[1:-1].encode()}
    found |= {quote(text, safe="").encode(), raw.hex().encode()}
    return frozenset(found | set(_encoded(raw)))


def _encoded(raw: bytes) -> Iterator[bytes]:
    # Three ways in which base64 may cut the text; what its neighbours decide is left away.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        inner = coded[(0, 2, 3)[shift] : len(coded) - (0, 3, 2)[(shift + len(raw)) % 3]]
        inner = inner.rstrip(b"=")
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
