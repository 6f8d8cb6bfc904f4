"""Ports for servers of the tests' own."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
_RANGE = range(20000, 32768)
"""Below those that outgoing connections get: one of them may not be taken meanwhile."""
_TRIES = 1000
_given: set[int] = set()


def free_port() -> int:
    """Return a port of loopback that nobody listens on, another one each time."""
    for port in random.sample(_RANGE, _TRIES):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise AssertionError(f"none of {_TRIES} ports is free")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
