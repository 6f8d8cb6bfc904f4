"""The commands of ``ampere-node``, by name."""

from __future__ import annotations

import importlib
import sys

from .core import Failed, say

COMMANDS = {
    "os-ready": "system",
    "data-disk": "system",
    "packages": "packages",
    "receive-pki": "receive",
    "receive-token": "receive",
    "init": "control_plane",
    "api-stable": "api",
    "write-join": "api",
    "serve": "api",
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
    try:
        module = importlib.import_module(f".{COMMANDS[name]}", __package__)
        getattr(module, name.replace("-", "_"))(*rest)
    except Failed as failure:
        say(f"ampere-node {name}: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
