"""What an interrupted run left on the host goes just before the same thing is made again.

The provider defines a domain, a pool or a network, and only then starts it: when the start fails or
the engine is killed, the host has what the state does not know, and the next create would fail for
ever. Volumes need no help: one of the same name is taken over, and ours are named for what they
hold.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_command import local

from ampere_infra.machines.piped import piped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.machines.kvm_host import KvmHost

AT_ONCE: Final = 4
"""SSH connections at a time: sshd drops strangers at random from ten on (``MaxStartups``)."""


class Leftovers:
    """Hooks that clear the host, a few at a time."""

    def __init__(self, host: KvmHost) -> None:
        """Clear what is on ``host``."""
        self._ssh: Sequence[str] = host.ssh
        self._turns = asyncio.Semaphore(AT_ONCE)

    def hook(self, name: str, script: str) -> pulumi.ResourceHookBinding:
        """Run ``script`` on the host just before a resource is created, never in a preview."""

        async def clear(_args: pulumi.ResourceHookArgs) -> None:
            async with self._turns:
                await local.run(
                    command=piped(script),
                    stdin=script,
                    interpreter=self._ssh,
                    logging=local.Logging.STDERR,
                )

        return pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(name, clear)])
