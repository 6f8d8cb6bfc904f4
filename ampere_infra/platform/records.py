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

from ampere_infra.platform.trouble import reasons, remains

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ampere_infra.machines.ways import Way

    Run = Callable[[pulumi.ResourceHookArgs], Awaitable[None]]

_KUBECTL = ("kubectl", "--kubeconfig", "/dev/stdin", "--request-timeout", "60s")
STALE = ("pending-upgrade", "pending-rollback")
"""What an interrupted upgrade leaves; the record of the last good revision is kept."""


def look(namespace: str) -> str:
    """Return the command that lists what tells why a release of ``namespace`` is not ready."""
    return shlex.join([*_KUBECTL, "--namespace", namespace, "get", "pods,events", "-o", "json"])


def look_at(namespace: str) -> str:
    """Return the command that shows a namespace."""
    return shlex.join([*_KUBECTL, "get", "namespace", namespace, "-o", "json"])


def sweep(namespace: str, release: str, statuses: tuple[str, ...] = ()) -> str:
    """Return the command that deletes a release's records, of ``statuses`` or all of them."""
    selector = f"owner=helm,name={release}"
    if statuses:
        selector += f",status in ({','.join(statuses)})"
    return shlex.join(
        [
            *_KUBECTL,
            *("--namespace", namespace, "delete", "secret"),
            *("--ignore-not-found", "--selector", selector),
        ]
    )


@dataclass(frozen=True)
class ReleaseRecords:
    """``kubectl`` on a machine that reaches the cluster: a host beside it, or its own node."""

    way: Way
    kubeconfig: pulumi.Output[str]
    """The admin's kubeconfig, a secret; it goes in by stdin."""

    def hooks(self, namespace: str, release: str) -> pulumi.ResourceHookBinding:
        """Return the hooks of ``release``.

        No record is there before an install and no stale one later; if it fails, it is said why.
        """
        name = f"{namespace}-{release}"
        explain = self.explainer(f"release {release}", look(namespace), reasons)
        return pulumi.ResourceHookBinding(
            before_create=[self._hook(f"{name}-forget", sweep(namespace, release))],
            before_update=[self._hook(f"{name}-unlock", sweep(namespace, release, STALE))],
            on_error=[pulumi.ErrorHook(f"{name}-explain", explain)],
        )

    def _hook(self, name: str, line: str) -> pulumi.ResourceHook:
        return pulumi.ResourceHook(name, self.runner(line))

    def explained(self, namespace: str) -> pulumi.ResourceHookBinding:
        """Return the hooks of a namespace itself: when it does not go away, it is said why."""
        explain = self.explainer(f"namespace {namespace}", look_at(namespace), remains)
        return pulumi.ResourceHookBinding(
            on_error=[pulumi.ErrorHook(f"{namespace}-explain", explain)]
        )

    def explainer(
        self, what: str, line: str, understand: Callable[[str], list[str]]
    ) -> Callable[[pulumi.ErrorHookArgs], Awaitable[bool]]:
        """Return a hook's function, which says what ``understand`` makes of a command's answer.

        It never asks for another try: that is for a person to decide who has read it.
        """

        async def explain(_: pulumi.ErrorHookArgs) -> bool:
            try:
                result = await self._kubectl(line)
                lines = understand(result.stdout) if result is not None and result.stdout else []
            except Exception as error:  # noqa: BLE001 - the operation's own error is what matters
                lines = [f"why it failed cannot be asked for: {str(error).splitlines()[0]}"]
            for text in lines:
                pulumi.log.error(f"{what}: {text}")
            return False

        return explain

    async def _kubectl(self, line: str) -> command.local.RunResult | None:
        async with self.way() as words:
            result = command.local.run_output(
                command=line, interpreter=list(words), stdin=self.kubeconfig
            )
            return await result.future()

    def runner(self, line: str) -> Run:
        """Return the hook's function, which runs ``line``."""

        async def run(_: pulumi.ResourceHookArgs) -> None:
            await self._kubectl(line)

        return run
