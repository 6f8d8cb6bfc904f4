"""Helm's records of releases, and how those that an interrupted run left are cleared away.

Helm keeps each revision of a release as a Secret. A killed run leaves one that says
``pending-install`` or ``pending-upgrade``, and Helm then refuses every further step: "cannot re-use
a name that is still in use", "another operation is in progress". The provider's ``replace`` only
helps for releases that failed. So the stale record is deleted right before Helm is called; the
objects stay, and Helm adopts them because their annotations name the very same release.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_command as command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STALE = ("pending-upgrade", "pending-rollback")
"""What an interrupted upgrade leaves; the record of the last good revision is kept."""


def sweep(namespace: str, release: str, statuses: tuple[str, ...] = ()) -> str:
    """Return the command that deletes a release's records, of ``statuses`` or all of them."""
    selector = f"owner=helm,name={release}"
    if statuses:
        selector += f",status in ({','.join(statuses)})"
    return shlex.join(
        [
            *("kubectl", "--kubeconfig", "/dev/stdin", "--request-timeout", "60s"),
            *("--namespace", namespace, "delete", "secret"),
            *("--ignore-not-found", "--selector", selector),
        ]
    )


@dataclass(frozen=True)
class ReleaseRecords:
    """A way to ``kubectl`` for clearing away stale records."""

    interpreter: tuple[str, ...]
    """Runs a command line, its last argument, where ``kubectl`` is: ``ssh ... user@host``."""
    kubeconfig: pulumi.Output[str]
    """The admin's kubeconfig, a secret; it goes in by stdin."""

    def hooks(self, namespace: str, release: str) -> pulumi.ResourceHookBinding:
        """Return the hooks of ``release``: no record before an install, no stale one later."""
        name = f"{namespace}-{release}"
        return pulumi.ResourceHookBinding(
            before_create=[self._hook(f"{name}-forget", sweep(namespace, release))],
            before_update=[self._hook(f"{name}-unlock", sweep(namespace, release, STALE))],
        )

    def _hook(self, name: str, line: str) -> pulumi.ResourceHook:
        return pulumi.ResourceHook(name, self.runner(line))

    def runner(self, line: str) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
        """Return the hook's function, which runs ``line``."""

        async def run(_: pulumi.ResourceHookArgs) -> None:
            result = command.local.run_output(
                command=line, interpreter=list(self.interpreter), stdin=self.kubeconfig
            )
            await result.future()

        return run
