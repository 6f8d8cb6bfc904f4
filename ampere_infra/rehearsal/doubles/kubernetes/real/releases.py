"""``kubernetes:helm.sh/v3:Release`` by the real ``helm``, with the provider's own settings of it.

The provider has Helm as a library; each of its settings is an option of the command.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.kubernetes.releases import ReleaseKind
from ampere_infra.rehearsal.doubles.values import Properties, Value, plain, table, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kubernetes.access import Access
    from ampere_infra.rehearsal.doubles.kubernetes.real.server import Server
    from ampere_infra.rehearsal.programs import Finished

_REGISTRY = "oci://"
_FLAGS = {
    "atomic": "--atomic",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "skipCrds": "--skip-crds",
}
_OF_INSTALL = {**_FLAGS, "createNamespace": "--create-namespace", "replace": "--replace"}
_OF_UPGRADE = {
    **_FLAGS,
    "cleanupOnFail": "--cleanup-on-fail",
    "forceUpdate": "--force",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}
_TOLD = ("name", "namespace", "revision", "status", "chart", "version", "appVersion")


class RealRelease(ReleaseKind):
    """A Helm release on a real API server."""

    alone = False
    worst = frozenset()

    def __init__(self, access: Access, server: Server) -> None:
        super().__init__(access)
        self.server = server

    def create(self, call: Call) -> Made:
        """Install the release; a failed one stays recorded, unless it was to be atomic."""
        self.access.must("can't create Helm Release with unreachable cluster: {0}")
        done = self._run("install", call, _OF_INSTALL)
        return self._settled(call, done, "was created, but failed to initialize completely")

    def read(self, call: Call) -> Made | None:
        """Return Helm's record."""
        self.access.must("can't read Helm Release with unreachable cluster: {0}")
        found = self._told(call.old)
        return None if found is None else self._made_of(call, found, call.old, call.inputs)

    def update(self, call: Call) -> Made:
        """Upgrade the release; one that fails is recorded with the new inputs."""
        self.access.must("can't update Helm Release with unreachable cluster: {0}")
        history = text(call.inputs, "maxHistory") or "0"
        done = self._run("upgrade", call, _OF_UPGRADE, "--history-max", history)
        return self._settled(call, done, "failed to initialize completely")

    def delete(self, call: Call) -> None:
        """Uninstall the release; that there is none is an error to Helm."""
        self.access.must("can't delete Helm Release with unreachable cluster. Reason: {0}")
        options = [] if call.old.get("skipAwait") else ["--wait", *_timeout(call.old)]
        done = self.server.helm("uninstall", *_named(call.old), *options)
        if done.code:
            raise RefusalError(_said(done))

    def _run(self, verb: str, call: Call, flags: dict[str, str], *more: str) -> Finished:
        inputs = call.inputs
        options = [option for name, option in flags.items() if inputs.get(name)]
        if not inputs.get("skipAwait"):
            options += ["--wait", *_timeout(inputs)]
            options += ["--wait-for-jobs"] if inputs.get("waitForJobs") else []
        if description := text(inputs, "description"):
            options += ["--description", description]
        words = (*_named(inputs), self._chart(inputs), *options, *more, "--values", "-")
        values = json.dumps(plain(inputs.get("values")) or {})
        return self.server.helm(verb, *words, stdin=values)

    def _settled(self, call: Call, done: Finished, failure: str) -> Made:
        """Return what Helm recorded; a failure that it did not record made nothing."""
        found = self._told(call.inputs)
        if done.code and (found is None or found["status"] != "failed"):
            raise RefusalError(_said(done))
        made = self._made_of(call, found)
        if done.code:
            raise IncompleteError(made, [_failed(made.id, failure, done)])
        return made

    def _chart(self, inputs: Properties) -> str:
        """Return where the chart is: our own, or what stands in for one of upstream's."""
        where = text(inputs, "chart")
        if not table(inputs, "repositoryOpts") and not where.startswith(_REGISTRY):
            return where
        stand_in = self.server.given.stand_ins.get(where.rpartition("/")[2])
        if stand_in is None:
            raise RefusalError(f"chart {where}: the rehearsal fetches none, and nothing stands in")
        return str(stand_in)

    def _told(self, state: Properties) -> dict[str, Value] | None:
        """Return what Helm has recorded last."""
        done = self.server.helm("get", "metadata", *_named(state), "--output", "json")
        if done.code:
            if "not found" in done.stderr:
                return None
            raise RefusalError(_said(done))
        found: dict[str, Any] = json.loads(done.stdout)
        return {name: found[name] for name in _TOLD if name in found}

    def _made_of(
        self,
        call: Call,
        found: dict[str, Value] | None,
        outputs: Properties | None = None,
        inputs: Properties | None = None,
    ) -> Made:
        base = call.inputs if outputs is None else outputs
        identity = f"{text(base, 'namespace')}/{text(base, 'name')}"
        return Made(identity, {**base, "status": found, "resourceNames": {}}, inputs)


def _named(state: Properties) -> list[str]:
    return [text(state, "name"), "--namespace", text(state, "namespace")]


def _timeout(state: Properties) -> list[str]:
    return ["--timeout", f"{text(state, 'timeout') or 300}s"]


def _said(done: Finished) -> str:
    """Return Helm's error, without the lines that lead to it."""
    lines = done.stderr.strip().splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
    return "\n".join(lines[start:]).removeprefix("Error: ")


def _failed(identity: str, what: str, done: Finished) -> str:
    """Return the provider's words for a release that is there, but not ready."""
    return (
        f'Helm release "{identity}" {what}. Use Helm CLI to investigate: failed to become '
        f"available within allocated timeout. Error: Helm Release {identity}: {_said(done)}"
    )
