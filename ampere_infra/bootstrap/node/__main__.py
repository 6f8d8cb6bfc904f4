"""The commands of ``ampere-node``, by name."""

from __future__ import annotations

import errno
import importlib
import sys
from typing import TYPE_CHECKING

from .core import BLOCKED, Blocked, Failed, at, say, write

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "os-ready": "system",
    "data-disk": "system",
    "packages": "packages",
    "receive-pki": "pki",
    "receive-token": "receive",
    "init": "control_plane",
    "api-stable": "api",
    "write-join": "api",
    "serve": "api",
    "rewrite-secrets": "encryption",
    "join": "worker",
    "admit": "members",
    "keep-tokens": "members",
    "dismiss": "dismissal",
    "roster": "members",
}
"""Command to module; its function is the command's name with underscores."""


def main(arguments: list[str]) -> int:
    """Run one command; 0 done, 1 failed and worth another try, 2 not a command."""
    if not arguments or arguments[0] not in COMMANDS:
        say(f"ampere-node: use one of {', '.join(COMMANDS)}")
        return 2
    name, *rest = arguments
    blocked = at(f"{BLOCKED}/{name}")
    try:
        run(name, rest)
    except Failed as failure:
        text = f"ampere-node {name}: {failure}"
        say(text)
        blocked.unlink(missing_ok=True)
        if isinstance(failure, Blocked):
            tell_gate(blocked, text)
        return 1
    blocked.unlink(missing_ok=True)
    return 0


def run(name: str, arguments: list[str]) -> None:
    """Run the command called ``name``.

    Raises:
        Failed: it cannot go on.
    """
    module = importlib.import_module(f".{COMMANDS[name]}", __package__)
    try:
        getattr(module, name.replace("-", "_"))(*arguments)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Blocked(f"the disk is full: {error.strerror}: {error.filename}") from error


def tell_gate(blocked: Path, text: str) -> None:
    """Write where the gate looks, which is not root, whatever the unit's umask is."""
    for folder in (blocked.parent.parent, blocked.parent):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    write(blocked, f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
