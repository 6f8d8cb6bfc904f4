"""Ways to a machine for a command line of this one's: the words of the OpenSSH client before it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.machines.login import ssh_words

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ampere_infra.machines.machine import Machine

Way = Callable[[], AbstractAsyncContextManager[Sequence[str]]]
"""Yields the words that run a command line, their last argument, on the other machine:
``ssh ... user@host``. They hold for as long as the way is open."""

PREFIX = "ampere-way-"
"""How the folders begin that a node's key lies in for a moment."""


def to_host(words: Sequence[str]) -> Way:
    """Return the way to a host whose keys lie in files of the user's."""
    return lambda: nullcontext(words)


def to_node(machine: Machine) -> Way:
    """Return the way to a node, whose key the program has made itself.

    OpenSSH's client takes keys from files only. They lie in a folder that this user alone may
    read, for as long as the way is open.
    """
    connection = machine.connection
    parts = (connection.host, connection.user, connection.private_key, connection.host_key)

    @asynccontextmanager
    async def way() -> AsyncGenerator[Sequence[str]]:
        known = await pulumi.Output.all(*parts).future()
        host, user, key, host_key = known or ("", "", "", "")
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            private, hosts = Path(folder) / "key", Path(folder) / "known_hosts"
            private.touch(mode=0o600)
            private.write_text(f"{key}".rstrip() + "\n", encoding="utf-8", newline="\n")
            hosts.write_text(f"{host} {host_key}\n", encoding="utf-8", newline="\n")
            login = f"{user}@{host}"
            yield ssh_words(login, private.as_posix(), known_hosts=hosts.as_posix())

    return way
