"""A real host for the doubles of libvirt and SSH to act on, in place of a modelled one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def words(self, *program: str) -> list[str]:
        """Return the words that run ``program`` there, in this process's folder."""
        if not self.enter:
            return list(program)
        # Whoever enters a mount namespace stands in its root.
        return [*self.enter, "env", f"--chdir={os.getcwd()}", *program]  # noqa: PTH109


def environment() -> Mapping[str, str]:
    """Return what programs on the host's side get of this process's environment: no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LC_ALL": "C"}
