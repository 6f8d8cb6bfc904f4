"""What ``ampere-tailnet`` does on a node: joining a tailnet, answering in it, leaving it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.command.errors import ExitError
from ampere_infra.rehearsal.places.tailnet import Tailnets

if TYPE_CHECKING:
    from ampere_infra.rehearsal.places.machines import Booted
    from ampere_infra.rehearsal.world import World

MARK, API_NAME = "TAILNET", "API name "
"""On a machine: its names and addresses in a tailnet; what its API's certificate names."""
_KEY = re.compile(r"tskey-(auth|client)-\S+")


class Members:
    """Runs the commands on machines."""

    def __init__(self, world: World) -> None:
        self.tailnets = world.part(Tailnets)

    def run(self, node: Booted, verb: str, stdin: str, *arguments: str) -> str:
        """Run a command and return its stdout.

        Raises:
            ExitError: it fails.
        """
        action = getattr(self, f"_{verb.replace('-', '_')}", None)
        if action is None:
            raise ExitError(f"ampere-tailnet: {verb}: no such command")
        return action(node, stdin, *arguments)

    def _join(self, node: Booted, stdin: str) -> str:
        if "PACKAGES_INSTALLED" not in node.marks:
            raise ExitError("ampere-tailnet join: dpkg is at work")
        given = json.loads(stdin)
        if not _KEY.fullmatch(given["auth_key"]) or not given["tags"]:
            raise ExitError("ampere-tailnet join: backend error: invalid key")
        self.tailnets.joins += 1
        if MARK not in node.marks:
            node.marks[MARK] = self.tailnets.add(given["name"], node.owner)
        self._check(node, "", given["name"])
        return f"in the tailnet at {self.tailnets.joins}"

    def _check(self, node: Booted, stdin: str, name: str) -> str:
        del stdin
        called = node.marks.get(MARK, "").partition(" ")[0]
        self.tailnets.leaving.discard(node.owner)
        if called != name:
            raise ExitError(f"the tailnet calls this node {called or 'nothing'}, not {name}")
        return ""

    def _certificate(self, node: Booted, stdin: str, name: str) -> str:
        del stdin
        if "API_STABLE" not in node.marks:
            raise ExitError("ampere-tailnet certificate: there is no API server")
        node.marks[f"{API_NAME}{name}"] = ""
        return ""

    def _leave_at_shutdown(self, node: Booted, stdin: str) -> str:
        del stdin
        self.tailnets.leaving.add(node.owner)
        return ""

    def _leave(self, node: Booted, stdin: str) -> str:
        del stdin
        self.tailnets.remove(node.marks.pop(MARK, "").partition(" ")[0])
        return ""
