"""Objects on a real API server, applied on the server's side as the provider does.

As in the provider's ``await.go``: it applies, retries nothing that it should not, and waits until
what it deletes is gone. Stricter than the provider, a field that the server does not know is
refused where the provider only warns.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.diffs import Difference, shaped_like
from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.kubernetes.naming import identity_of, plural
from ampere_infra.rehearsal.doubles.kubernetes.objects import EXISTS, UNREACHABLE, ObjectKind
from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from ampere_infra.rehearsal.doubles.values import Properties, is_unknown, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kubernetes.access import Access
    from ampere_infra.rehearsal.doubles.kubernetes.real.server import Server

_MANAGER = "__fieldManager"
"""Where the provider notes in the state under which name it applied an object."""
_AT_ONCE = frozenset(
    {
        *("ConfigMap", "LimitRange", "Namespace", "NetworkPolicy", "PriorityClass"),
        *("ResourceQuota", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
        *("Secret", "ServiceAccount", "StorageClass"),
    }
)
"""What the provider does not wait for: it is as it should be once the server took it."""


class RealObject(ObjectKind):
    """One kind of object on a real API server."""

    alone = False
    worst = frozenset()

    def __init__(self, token: str, access: Access, server: Server) -> None:
        super().__init__(token, access)
        self.server = server
        self.api = server.api

    def plan(self, call: Call) -> Properties:
        """Return what the server would make of it, if it can be asked already."""
        if self._is_out_of_reach(call):
            return dict(call.inputs)
        try:
            found = self.api.apply(self._whole(call.inputs), self._manager(), dry_run=True)
        except ApiError as error:
            if error.is_missing:
                return dict(call.inputs)
            raise RefusalError(self._refused(call, error)) from error
        return self._outputs_of(found, "")

    def plan_update(self, call: Call) -> Properties:
        """Return what the server would make of it."""
        if self._is_out_of_reach(call):
            return {**call.old, **call.inputs}
        manager = self._manager(call)
        try:
            found = self.api.apply(self._whole(call.inputs), manager, dry_run=True)
        except ApiError as error:
            raise RefusalError(self._refused(call, error)) from error
        return self._outputs_of(found, manager)

    def diff(self, call: Call) -> Difference:
        """Return what differs between the inputs and what the server made of the last ones."""
        before = shaped_like(self._normal(call.old_inputs), call.old)
        old = before if isinstance(before, dict) else call.old_inputs
        return self.difference(call, old)

    def create(self, call: Call) -> Made:
        """Apply the object, over one that is there if the provider was told so."""
        self.access.must(UNREACHABLE)
        wanted = self._whole(call.inputs)
        # Of a custom resource the provider waits for nothing.
        if self.arguments is not None and self.kind not in (*_AT_ONCE, "Service"):
            raise RefusalError(f"the rehearsal waits for no {self.kind} on a real API server")
        manager = self._manager()
        try:
            exists = not self._upserts() and self.api.read(wanted) is not None
            found = {} if exists else self.api.apply(wanted, manager, force=self._forces())
        except ApiError as error:
            raise RefusalError(self._refused(call, error)) from error
        key = self._key(call.inputs)
        if exists:
            raise RefusalError(self._refused(call, EXISTS.format(plural(self.kind), key.name)))
        return self._awaited(Made(identity_of(key), self._outputs_of(found, manager)))

    def read(self, call: Call) -> Made | None:
        """Return the object as it is on the server."""
        self.access.must(UNREACHABLE)
        try:
            found = self.api.read(self._whole(call.old))
        except ApiError as error:
            if error.is_missing:
                return None
            raise RefusalError(str(error)) from error
        if found is None:
            return None
        outputs = self._outputs_of(found, self._manager(call))
        inputs = shaped_like(self._normal(call.inputs), outputs)
        return Made(call.id, outputs, inputs if isinstance(inputs, dict) else None)

    def update(self, call: Call) -> Made:
        """Apply the object again, under the name that it was applied with before."""
        self.access.must(UNREACHABLE)
        manager = self._manager(call)
        wanted = self._whole(call.inputs)
        try:
            is_gone = self.api.read(wanted) is None
            found = {} if is_gone else self.api.apply(wanted, manager, force=self._forces())
        except ApiError as error:
            raise RefusalError(f'update of resource "{call.urn}" failed: {error}') from error
        if is_gone:
            name = self._key(call.inputs).name
            raise RefusalError(
                f'update of resource "{call.urn}" failed: {plural(self.kind)} "{name}" not found'
            )
        return self._awaited(Made(call.id, self._outputs_of(found, manager)))

    def delete(self, call: Call) -> None:
        """Delete the object and wait until it is gone."""
        self.access.must(UNREACHABLE)
        unwanted = self._whole(call.old)
        try:
            if self.api.delete(unwanted):
                self.server.await_end(unwanted)
        except ApiError as error:
            if not error.is_missing:
                raise RefusalError(str(error)) from error

    def _awaited(self, made: Made) -> Made:
        """Return what was made once it does what it is for."""
        if self.kind == "Service" and (why := self.server.await_targets(made.outputs)):
            raise IncompleteError(made, [f"Resource operation was canceled or timed out: {why}"])
        return made

    def _is_out_of_reach(self, call: Call) -> bool:
        return is_unknown(call.inputs) or self.access.is_closed

    def _upserts(self) -> bool:
        return self.access.flags.get("upsertExistingObjects", False)

    def _forces(self) -> bool:
        return self.access.flags.get("enablePatchForce", False)

    def _manager(self, call: Call | None = None) -> str:
        known = text(call.old, _MANAGER) if call is not None else ""
        return known or f"pulumi-kubernetes-{secrets.token_hex(4)}"

    def _whole(self, inputs: Properties) -> Properties:
        """Return an object as the server takes it."""
        shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
        return {**shown, "apiVersion": self.api_version, "kind": self.kind}

    def _outputs_of(self, found: Properties, manager: str) -> Properties:
        return {**found, _MANAGER: manager} if manager else found

    def _refused(self, call: Call, error: object) -> str:
        return (
            f'resource "{call.urn}" was not successfully created by the Kubernetes API server: '
            f"{error}"
        )
