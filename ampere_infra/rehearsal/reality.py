"""What of a rehearsal's world is real: a host, servers of a cloud, an API server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEPT = ("HOME", "PATH", "TMPDIR", "USER")


@dataclass(frozen=True)
class Emulation:
    """How machines run where there is no KVM."""

    cpu: str = "qemu64"
    """The model; with ``max`` some kernels panic."""
    features: tuple[str, ...] = ("aes", "pclmuldq", "ssse3", "sse4.1", "sse4.2", "popcnt")
    """What the model lacks and programs use for TLS: without, each connection takes many times
    as long."""
    tb_cache: int = 256
    """MiB of memory for translated code; QEMU's own choice is a gigabyte."""


@dataclass(frozen=True)
class NewServer:
    """A server that a cloud has given out, and what it is to be born with."""

    id: int
    name: str
    ipv4: str
    ipv6: str
    """The network of 64 bits that is the server's own, as its first address."""
    keys: tuple[str, ...]
    """The public SSH keys that it was ordered with."""
    user_data: str
    """As the cloud was given it."""


class Datacenter(Protocol):
    """Where the servers of a cloud are real machines."""

    def boot(self, server: NewServer) -> None:
        """Make the server's machine, and start it for the first time."""
        ...

    def remove(self, identity: int) -> None:
        """Take the server's machine and its disk away."""
        ...


@dataclass(frozen=True)
class Reality:
    """Where the host is, and what is different there from what the program declares."""

    enter: tuple[str, ...] = ()
    """The words before a program's own that run it where the host's addresses are reached.

    The project's folder and the folder for temporary files must be visible there.
    """
    libvirt_uri: str = "qemu:///system"
    emulation: Emulation | None = None
    """None: machines are as the program declares them."""
    consoles: str | None = "/var/log/libvirt/qemu"
    """The host's folder with what each machine prints, in ``NAME-console.log``; None: nowhere."""
    patience: int | None = None
    """Seconds after which a silent connection through a proxy is given up.

    None: never, as the real provider, which does not notice that such a machine lost its power.
    """
    datacenter: Datacenter | None = None
    """None: a cloud's servers are in memory, and nobody answers at their addresses."""

    def words(self, *program: str) -> list[str]:
        """Return the words that run ``program`` there, in this process's folder."""
        if not self.enter:
            return list(program)
        # Whoever enters a mount namespace stands in its root.
        return [*self.enter, "env", f"--chdir={os.getcwd()}", *program]  # noqa: PTH109


@dataclass
class ApiServer:
    """A real API server for objects and releases, in place of a modelled one."""

    kubeconfig: Path
    """An administrator's. It takes the place of the program's own, which leads to machines."""
    stand_ins: Mapping[str, Path] = field(default_factory=dict[str, "Path"])
    """Folders of charts that take the place of upstream's, by name: those cannot be fetched."""
    patience: float = 600.0
    """Seconds until what does not go away, or does not get ready, is given up; the provider's own.

    A release has its own deadline.
    """


def environment() -> Mapping[str, str]:
    """Return what programs on the host's side get of this process's environment: no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LC_ALL": "C"}
