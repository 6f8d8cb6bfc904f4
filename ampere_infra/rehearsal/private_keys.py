"""The lines of a private key's text that hold what is private in it, and not its public half."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 12
"""Bytes of a private number that make a line unmistakable."""


def private_lines(pem: str) -> Iterator[str]:
    """Return the lines of ``pem`` that give the key away.

    Raises:
        ValueError: it is no private key of a kind that the program makes.
    """
    lines = [line for line in pem.strip().splitlines() if not line.startswith("-----")]
    body = base64.b64decode("".join(lines))
    spans = [(at, at + len(part)) for part in _private(pem) if (at := body.find(part)) >= 0]
    position = 0
    for line in lines:
        begin, end = position * 3 // 4, (position + len(line)) * 3 // 4
        position += len(line)
        if any(min(end, stop) - max(begin, start) >= ENOUGH for start, stop in spans):
            yield line


def _private(pem: str) -> list[bytes]:
    load = load_ssh_private_key if "OPENSSH" in pem else load_pem_private_key
    key = load(pem.encode(), None)
    match key:
        case ed25519.Ed25519PrivateKey():
            return [key.private_bytes_raw()]
        case ec.EllipticCurvePrivateKey():
            return [_number(key.private_numbers().private_value)]
        case rsa.RSAPrivateKey():
            numbers = key.private_numbers()
            return [_number(n) for n in (numbers.d, numbers.p, numbers.q)]
        case _:
            raise ValueError(f"no private key of a known kind: {type(key).__name__}")


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
