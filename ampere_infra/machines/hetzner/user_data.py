"""A server's user-data as Hetzner takes it: no more than 32 KiB, and text."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from deflate import gzip_compress  # pyright: ignore[reportUnknownVariableType]

LARGEST: Final = 32 * 1024
"""Bytes (https://docs.hetzner.cloud/reference/cloud#servers-create-a-server, ``user_data``)."""
LEVEL: Final = 12


def packed(text: str) -> str:
    """Return ``text``, compressed, in base64: the same on every machine, whatever its zlib.

    cloud-init undoes the base64 in its data source of Hetzner, the compression everywhere.

    Raises:
        ValueError: it is too large even so.
    """
    result = b64encode(bytes(gzip_compress(text.encode(), LEVEL))).decode()
    if len(result) > LARGEST:
        raise ValueError(f"the user-data is {len(result)} bytes, Hetzner takes {LARGEST}")
    return result
