"""What objects and releases on a real API server share: the ways to it, and how long they wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ampere_infra import tools
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.kubernetes.real.api import Api, Object
from ampere_infra.rehearsal.programs import CancelledError, Finished, Programs
from ampere_infra.rehearsal.reality import Reality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ampere_infra.rehearsal.reality import ApiServer

_WARNED = "warnings.go:"
"""Stands in each line of Helm's that is a warning of the server."""
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
_NO_TARGET = (
    "Service does not target any Pods. Selected Pods may not be ready, or field "
    "'.spec.selector' may not match labels on any Pods"
)
_PAUSE = 0.2
"""Seconds between two looks at what is to go away."""


class Server:
    """A real API server, as the provider sees it."""

    def __init__(self, given: ApiServer, warnings: list[str]) -> None:
        self.given = given
        self.api = Api(given.kubeconfig, warnings)
        self.programs = Programs(Reality())

    def helm(self, *words: str, stdin: str = "") -> Finished:
        """Run ``helm`` as the administrator.

        Raises:
            RefusalError: the engine stops.
        """
        program = str(tools.path("helm"))
        try:
            done = self.programs.run(
                *(program, *words, "--kubeconfig", str(self.given.kubeconfig)), stdin=stdin
            )
        except CancelledError as error:
            raise RefusalError("context canceled") from error
        self.api.warnings += [line for line in done.stderr.splitlines() if _WARNED in line]
        return done

    def await_end(self, thing: Mapping[str, Any]) -> None:
        """Return once an object is gone, though another of its name may have come.

        Raises:
            RefusalError: it is still there when it has been waited for long enough.
        """

        def is_gone() -> bool:
            found = self.api.read(thing)
            return found is None or found["metadata"]["uid"] != thing["metadata"]["uid"]

        if not self._eventually(is_gone):
            raise RefusalError("timed out waiting for the condition")

    def await_targets(self, service: Mapping[str, Any]) -> str:
        """Return nothing once a Service leads to a pod that is ready, or why it does not."""
        spec, metadata = service["spec"], service["metadata"]
        if spec.get("type") == "ExternalName" or not spec.get("selector"):
            return ""
        selector = f"kubernetes.io/service-name={metadata['name']}"

        def leads() -> bool:
            ends: list[Object] = []
            for each in self.api.items(*_SLICE, metadata["namespace"], labelSelector=selector):
                ends += each["endpoints"] or []
            return any(end["conditions"]["ready"] for end in ends)

        return "" if self._eventually(leads) else _NO_TARGET

    def _eventually(self, holds: Callable[[], bool]) -> bool:
        """Return whether ``holds`` before there has been enough waiting.

        Raises:
            RefusalError: the engine stops.
        """
        deadline = time.monotonic() + self.given.patience
        while not holds():
            if time.monotonic() > deadline:
                return False
            try:
                self.programs.pause(_PAUSE)
            except CancelledError as error:
                raise RefusalError("context canceled") from error
        return True
