"""Text made comparable between runs: what is random in each run is replaced by what it is."""

from __future__ import annotations

import re

_RANDOM: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL), r"<\1>"),
    (re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+) [A-Za-z0-9+/=]+"), r"<\1>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{12})\b"), "<hash>"),
)


def stable(text: str) -> str:
    """Return ``text`` with keys, certificates, UUIDs and hashes replaced by their kind."""
    for pattern, kind in _RANDOM:
        text = pattern.sub(kind, text)
    return text
