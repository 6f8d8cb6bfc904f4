"""``kubectl``, and what its errors mean to who runs a command here."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ampere_infra.backup.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REQUEST_SECONDS = 30
CALL_SECONDS = 300
"""No call here answers later than that; whoever waits, asks again."""

Object = dict[str, Any]

_UNREACHABLE = (
    "connection refused",
    "unable to connect",
    "no route to host",
    "i/o timeout",
    "handshake timeout",
    "no such host",
    "unexpected eof",
    "context deadline exceeded",
    "client.timeout",
)
_FOREIGN = ("x509", "unauthorized", "certificate signed by unknown", "must be logged in")


@dataclass(frozen=True)
class Kubectl:
    """The program with the kubeconfig and the context that lead to one cluster."""

    program: Path
    context: str
    kubeconfig: Path | None = None

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Return what ``kubectl`` prints.

        Raises:
            BackupError: it failed; the text says why, as far as that is known.
        """
        try:
            answer = subprocess.run(
                [*self._words(), *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=CALL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise BackupError(
                f"kubectl {arguments[0]} did not end in {CALL_SECONDS} seconds"
            ) from None
        if answer.returncode != 0:
            raise _refusal(answer.stderr.strip(), self.context)
        return answer.stdout

    def get(self, *arguments: str) -> Object:
        """Return an object, or a list of them, as ``kubectl get`` shows it."""
        return cast("Object", json.loads(self.run("get", *arguments, "--output", "json")))

    def items(self, *arguments: str) -> list[Object]:
        """Return the objects of a list."""
        return cast("list[Object]", self.get(*arguments)["items"])

    def create(self, thing: Mapping[str, Any]) -> None:
        """Create an object."""
        self.run("create", "--filename", "-", stdin=json.dumps(thing))

    def server(self) -> str:
        """Return the address of the API that the context names; nothing is sent to it."""
        text = self.run("config", "view", "--minify", "--output", "json")
        clusters = cast("Sequence[Object]", json.loads(text).get("clusters") or [])
        return str(clusters[0]["cluster"]["server"]) if clusters else ""

    def _words(self) -> list[str]:
        words = [str(self.program), "--context", self.context]
        words += ["--request-timeout", f"{REQUEST_SECONDS}s"]
        return [*words, "--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else words


def _refusal(told: str, context: str) -> BackupError:
    lower = told.lower()
    last = told.splitlines()[-1] if told else "it ended without a word"
    if any(sign in lower for sign in _FOREIGN):
        return BackupError(f"the cluster does not let this kubeconfig in: {last}{_remedy()}")
    if any(sign in lower for sign in _UNREACHABLE):
        return BackupError(
            f"the cluster does not answer: {last}; is its master running, and the host's NGINX? "
            "`ampere doctor home` looks"
        )
    if "context" in lower and ("does not exist" in lower or "not found" in lower):
        return BackupError(f"kubectl knows no context {context}{_remedy()}")
    return BackupError(f"kubectl: {last}")


def _remedy() -> str:
    return (
        "; write the stack's own to a file, `pulumi stack output kubeconfig --show-secrets "
        "--stack home > FILE`, and name that with --kubeconfig FILE"
    )
