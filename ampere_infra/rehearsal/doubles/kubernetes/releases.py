"""``kubernetes:helm.sh/v3:Release``, with what Helm records of it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from pulumi_kubernetes.helm.v3 import ReleaseArgs

from ampere_infra.rehearsal.doubles.diffs import Difference, changes
from ampere_infra.rehearsal.doubles.kind import (
    Call,
    Failure,
    IncompleteError,
    Kind,
    Made,
    RefusalError,
)
from ampere_infra.rehearsal.doubles.kubernetes.charts import chart_of
from ampere_infra.rehearsal.doubles.values import UNKNOWN, Properties, is_unknown, masked, text
from ampere_infra.rehearsal.places.cluster import Key, Release, Thing

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kubernetes.access import Access
    from ampere_infra.rehearsal.doubles.values import Value

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 53
_TIMEOUT = 300
"""Seconds; the provider's default."""
_PENDING = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})
_TIMED_OUT = "timed out waiting for the condition"


class ReleaseKind(Kind):
    """A Helm release."""

    arguments = ReleaseArgs

    def __init__(self, access: Access) -> None:
        self.access = access
        self.cluster = access.cluster

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Fill in the name, the namespace and the chart's own version; load the chart."""
        failures = self.type_failures(call)
        checked = dict(inputs)
        made_up = f"{call.name}-{uuid.uuid5(uuid.NAMESPACE_URL, call.urn).hex[:8]}"
        checked.setdefault("name", call.old_inputs.get("name") or made_up)
        checked["namespace"] = checked.get("namespace") or "default"
        if not call.inputs.get("skipAwait"):
            checked.setdefault("timeout", _TIMEOUT)
        if not is_unknown(call.inputs) and call.inputs.get("chart"):
            try:
                checked["version"] = chart_of(call.inputs).version
            except RefusalError as error:
                reason = f"{error}; check the chart name and repository configuration."
                failures.append(Failure(reason, "chart"))
        return checked, failures

    def plan(self, call: Call) -> Properties:
        """Return the inputs; what Helm will say is not known."""
        return {**call.inputs, "status": UNKNOWN, "resourceNames": UNKNOWN}

    def plan_update(self, call: Call) -> Properties:
        """Return the inputs; what Helm will say is not known."""
        return self.plan(call)

    def diff(self, call: Call) -> Difference:
        """Return what changed; another name or namespace is another release."""
        ignored = ("resourceNames", "checksum", *call.ignored)
        found = tuple(
            change
            for change in changes(call.old_inputs, call.inputs, skip=lambda _: False)
            if change.path not in ignored and change.top not in ignored
        )
        return Difference(
            found, frozenset(c.path for c in found if c.path in ("name", "namespace"))
        )


class ModelledRelease(ReleaseKind):
    """A release of the modelled cluster."""

    worst = frozenset({"create", "update", "delete"})

    def create(self, call: Call) -> Made:
        """Install the release; a failed one stays recorded, unless it was to be atomic."""
        self.access.must("can't create Helm Release with unreachable cluster: {0}")
        namespace, name = text(call.inputs, "namespace"), text(call.inputs, "name")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise RefusalError(
                f'release name "{name}": invalid release name, must match regex '
                "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length "
                "must not be longer than 53"
            )
        known = self.cluster.releases.get((namespace, name))
        if known is not None and not (call.inputs.get("replace") and known.status == "failed"):
            raise RefusalError("cannot re-use a name that is still in use")
        if not self.cluster.has_namespace(namespace):
            if not call.inputs.get("createNamespace"):
                raise RefusalError(f'create: failed to create: namespaces "{namespace}" not found')
            key = Key("v1", "Namespace", "", namespace)
            self.cluster.things[key] = Thing({}, {"made by": "helm"}, str(uuid.uuid4()))
        if call.fails and call.inputs.get("atomic"):
            raise RefusalError(
                f"release {name} failed, and has been uninstalled due to atomic being set: "
                + _TIMED_OUT
            )
        release = self._release(call, 1)
        self.cluster.releases[namespace, name] = release
        made = self._made(call, release)
        if call.fails:
            reason = f'Helm release "{made.id}" was created, but failed to initialize completely'
            raise IncompleteError(made, [f"{reason}. Use Helm CLI to investigate: {_why(release)}"])
        return made

    def read(self, call: Call) -> Made | None:
        """Return Helm's record."""
        self.access.must("can't read Helm Release with unreachable cluster: {0}")
        release = self.cluster.releases.get(_where(call.old))
        if release is None:
            return None
        return Made(call.id, {**call.old, **_told(release)}, call.inputs)

    def update(self, call: Call) -> Made:
        """Upgrade the release."""
        self.access.must("can't update Helm Release with unreachable cluster: {0}")
        namespace, name = _where(call.old)
        known = self.cluster.releases.get((namespace, name))
        if known is None:
            raise RefusalError(f'"{name}" has no deployed releases')
        if known.status in _PENDING:
            raise RefusalError("another operation (install/upgrade/rollback) is in progress")
        release = self._release(call, known.revision + 1)
        made = self._made(call, release)
        if call.fails and call.inputs.get("atomic"):
            known.revision += 2
            raise IncompleteError(made, [f"error running update: {_why(release)}"])
        self.cluster.releases[namespace, name] = release
        if call.fails:
            raise IncompleteError(made, [f"error running update: {_why(release)}"])
        return made

    def delete(self, call: Call) -> None:
        """Uninstall the release; that there is none is an error to Helm."""
        self.access.must("can't delete Helm Release with unreachable cluster. Reason: {0}")
        where = _where(call.old)
        known = self.cluster.releases.get(where)
        if known is None:
            raise RefusalError(f"uninstall: Release not loaded: {where[1]}: release: not found")
        if call.fails:
            known.status = "uninstalling"
            raise RefusalError(f"uninstallation completed with 1 error(s): {_TIMED_OUT}")
        del self.cluster.releases[where]

    def _release(self, call: Call, revision: int) -> Release:
        chart = chart_of(call.inputs)
        values = masked(call.wrapped.get("values"))
        status = "failed" if call.fails else "deployed"
        namespace, name = _where(call.inputs)
        return Release(namespace, name, chart.name, chart.version, values, status, revision)

    def _made(self, call: Call, release: Release) -> Made:
        outputs = {**call.inputs, "version": release.version, **_told(release)}
        return Made(f"{release.namespace}/{release.name}", outputs)


def _where(state: Properties) -> tuple[str, str]:
    return text(state, "namespace"), text(state, "name")


def _told(release: Release) -> dict[str, Value]:
    status: dict[str, Value] = {
        "name": release.name,
        "namespace": release.namespace,
        "revision": release.revision,
        "status": release.status,
        "chart": release.chart,
        "version": release.version,
    }
    return {"status": status, "resourceNames": {}}


def _why(release: Release) -> str:
    where = f"{release.namespace}/{release.name}"
    return (
        "failed to become available within allocated timeout. Error: "
        f"Helm Release {where}: {_TIMED_OUT}"
    )
