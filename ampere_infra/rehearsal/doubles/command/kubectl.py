"""The KVM host's ``kubectl``, where the host is a modelled one and the API server is real."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ampere_infra import tools
from ampere_infra.rehearsal.doubles.command.real.host import printed
from ampere_infra.rehearsal.doubles.command.remote import ran
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.programs import CancelledError, Programs
from ampere_infra.rehearsal.reality import Reality

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.reality import ApiServer


class HostKubectl:
    """Runs the command lines that the program has for the host, on this machine."""

    def __init__(self, given: ApiServer) -> None:
        self.given = given
        self.programs = Programs(Reality())

    def run(self, line: str) -> Properties:
        """Run ``line``, which reads its kubeconfig from stdin, and return what it printed.

        Raises:
            RefusalError: it failed, or the engine stops.
        """
        words = [str(tools.path("kubectl")), *shlex.split(line)[1:]]
        try:
            done = self.programs.run(*words, stdin=self.given.kubeconfig.read_text("utf-8"))
        except CancelledError as error:
            raise RefusalError("context canceled") from error
        if done.code:
            raise RefusalError(ran(f"exit status {done.code}", line, done.both))
        return printed(done)
