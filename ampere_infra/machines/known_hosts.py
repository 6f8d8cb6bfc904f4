"""OpenSSH's ``known_hosts``: which host key a name or an address is known by."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha1
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFERENCE: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
"""Kinds of key, best first; others, such as keys on a token, are passed over."""

SSH_PORT: Final = 22
_ENTRY_FIELDS = 3


@dataclass(frozen=True)
class HostKey:
    """A host's public key."""

    kind: str
    blob: str
    """The key in base64."""

    def __str__(self) -> str:
        return f"{self.kind} {self.blob}"


@dataclass(frozen=True)
class _Entry:
    marker: str
    patterns: str
    key: HostKey


def host_key(text: str, names: Sequence[str], port: int = SSH_PORT) -> HostKey | None:
    """The best key that ``text`` knows any of ``names`` by, or None.

    A key that is revoked for the host is none of its keys; certificate authorities are not asked,
    since neither the engine's SSH client nor the libvirt provider's can.
    """
    wanted = {_spelling(name, port) for name in names}
    entries = [e for e in _entries(text.splitlines()) if any(_is_for(e, w) for w in wanted)]
    revoked = {entry.key for entry in entries if entry.marker == "@revoked"}
    known = [e.key for e in entries if not e.marker and e.key.kind in PREFERENCE]
    usable = [key for key in known if key not in revoked]
    return min(usable, key=lambda key: PREFERENCE.index(key.kind), default=None)


def _spelling(name: str, port: int) -> str:
    return name.lower() if port == SSH_PORT else f"[{name.lower()}]:{port}"


def _entries(lines: Iterable[str]) -> list[_Entry]:
    entries: list[_Entry] = []
    for line in lines:
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < _ENTRY_FIELDS or fields[0].startswith("#") or not _is_base64(fields[2]):
            continue
        entries.append(_Entry(marker, fields[0], HostKey(fields[1], fields[2])))
    return entries


def _is_for(entry: _Entry, wanted: str) -> bool:
    if entry.patterns.startswith("|"):
        return _is_hash_of(entry.patterns, wanted)
    patterns = [pattern.lower() for pattern in entry.patterns.split(",")]
    if any(p.startswith("!") and _matches(p[1:], wanted) for p in patterns):
        return False
    return any(_matches(p, wanted) for p in patterns if not p.startswith("!"))


def _matches(pattern: str, wanted: str) -> bool:
    """Compare as OpenSSH does: only ``*`` and ``?`` are special, a bracket is a bracket."""
    return fnmatchcase(wanted, pattern.replace("[", "[[]"))


def _is_hash_of(hashed: str, wanted: str) -> bool:
    fields = hashed.split("|")
    if len(fields) != _ENTRY_FIELDS + 1 or fields[1] != "1":
        return False
    if not all(_is_base64(field) for field in fields[2:]):
        return False
    salt, told = (base64.b64decode(field) for field in fields[2:])
    # OpenSSH's own format: SHA-1 hides the names, nothing is signed with it.
    return hmac.compare_digest(hmac.new(salt, wanted.encode(), sha1).digest(), told)


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
