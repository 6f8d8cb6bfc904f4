"""Every object of the API: applied on the server's side, read back, replaced where it must be."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.diffs import Difference, changes
from ampere_infra.rehearsal.doubles.kind import (
    Call,
    Failure,
    IncompleteError,
    Kind,
    Made,
    RefusalError,
)
from ampere_infra.rehearsal.doubles.kubernetes import rules
from ampere_infra.rehearsal.doubles.kubernetes.naming import (
    arguments_of,
    identity_of,
    is_below,
    made_up,
    plural,
)
from ampere_infra.rehearsal.doubles.values import (
    Properties,
    Value,
    items,
    masked,
    number,
    table,
    text,
)
from ampere_infra.rehearsal.places.cluster import Key, Thing

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kubernetes.access import Access
    from ampere_infra.rehearsal.doubles.schema import Fault

AUTONAMED = "pulumi.com/autonamed"
UNREACHABLE = "configured Kubernetes cluster is unreachable: {0}"
_LOST = "http2: client connection lost"
EXISTS = """{0} "{1}" already exists

The resource already exists in the cluster. This can happen when:

  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""


class ObjectKind(Kind):
    """One kind of object."""

    def __init__(self, token: str, access: Access) -> None:
        self.arguments = arguments_of(token)
        self.access = access
        self.cluster = access.cluster
        group_version, self.kind = token.split(":")[1:]
        self.api_version = group_version.removeprefix("core/")
        self.secret = frozenset({"data", "stringData"} if self.kind == "Secret" else ())

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Name the object if the program did not."""
        checked = dict(inputs)
        metadata = table(call.inputs, "metadata")
        if not metadata.get("name"):
            name = text(table(call.old_inputs, "metadata"), "name") or made_up(call)
            noted = {**table(metadata, "annotations"), AUTONAMED: "true"}
            checked["metadata"] = {**metadata, "name": name, "annotations": noted}
        return checked, self.type_failures(call)

    def say(self, call: Call, fault: Fault) -> Failure:
        """Return the API server's words for ``fault``."""
        what = f"failed to create typed patch object ({call.name}; {self.api_version}, "
        what += f"Kind={self.kind}): .{fault.path}: "
        words = {"unknown": "field not declared in schema", "missing": "Required value"}
        return Failure(what + words.get(fault.kind, f"expected {fault.detail}"), fault.path)

    def diff(self, call: Call) -> Difference:
        """Return what differs from the last inputs; a refresh has put the live state there."""
        return self.difference(call, self._normal(call.old_inputs))

    def difference(self, call: Call, old: Properties) -> Difference:
        """Return what differs between ``old`` and the inputs, and what of it replaces."""
        found = [
            change
            for change in changes(old, self._normal(call.inputs), skip=lambda _: False)
            if not any(is_below(change.path, path) for path in call.ignored)
        ]
        paths = rules.replaced(
            self.kind,
            secrets_mutable=self.access.flags.get("enableSecretMutable", False),
            config_maps_mutable=self.access.flags.get("enableConfigMapMutable", False),
        )
        replacing = frozenset(c.path for c in found if any(is_below(c.path, p) for p in paths))
        return Difference(tuple(found), replacing, self._must_delete_first(call))

    def _key(self, inputs: Properties) -> Key:
        metadata = table(inputs, "metadata")
        is_wide = self.kind in rules.CLUSTER_WIDE
        namespace = "" if is_wide else text(metadata, "namespace") or "default"
        return Key(self.api_version, self.kind, namespace, text(metadata, "name"))

    def _normal(self, inputs: Properties) -> Properties:
        """Return ``inputs`` with every way of writing the same thing made one."""
        if self.kind != "Secret" or not inputs:
            return inputs
        kept = {key: value for key, value in inputs.items() if key != "stringData"}
        return {**kept, "data": rules.secret_data(inputs)}

    def _must_delete_first(self, call: Call) -> bool:
        old, new = self._key(call.old_inputs), self._key(call.inputs)
        noted = table(table(call.inputs, "metadata"), "annotations")
        return old == new and AUTONAMED not in noted


class ModelledObject(ObjectKind):
    """One kind of object of the modelled cluster."""

    worst = frozenset({"create", "update"})

    def create(self, call: Call) -> Made:
        """Apply the object; when the connection breaks, the server has it all the same."""
        self.access.must(UNREACHABLE)
        key = self._key(call.inputs)
        refused = f'resource "{call.urn}" was not successfully created by the Kubernetes API server'
        if key.namespace and not self.cluster.has_namespace(key.namespace):
            raise RefusalError(f'{refused}: namespaces "{key.namespace}" not found')
        if key in self.cluster.things and not self.access.flags.get("upsertExistingObjects"):
            raise RefusalError(f"{refused}: {EXISTS.format(plural(self.kind), key.name)}")
        self._validate(key, call, refused)
        made = Made(identity_of(key), self._apply(key, call))
        if call.fails and self.kind in rules.AWAITED:
            reason = f'resource "{call.urn}" was successfully created, but the Kubernetes API '
            reason += "server reported that it failed to fully initialize or become live"
            raise IncompleteError(made, [f"{reason}: timed out waiting to be Ready"])
        if call.fails:
            raise RefusalError(f"{refused}: {_LOST}")
        return made

    def read(self, call: Call) -> Made | None:
        """Return the object as it was applied last."""
        self.access.must(UNREACHABLE)
        key = self._key(call.old)
        thing = self.cluster.things.get(key)
        return Made(call.id, self._outputs(thing), thing.applied) if thing else None

    def update(self, call: Call) -> Made:
        """Apply the object again."""
        self.access.must(UNREACHABLE)
        key = self._key(call.inputs)
        if key not in self.cluster.things:
            raise RefusalError(
                f'update of resource "{call.urn}" failed: {plural(self.kind)} "{key.name}" '
                "not found"
            )
        failed = f'the Kubernetes API server reported that "{identity_of(key)}" failed to fully '
        failed += "initialize or become live"
        self._validate(key, call, failed)
        made = Made(call.id, self._apply(key, call))
        if call.fails:
            raise IncompleteError(made, [f"{failed}: {_LOST}"])
        return made

    def delete(self, call: Call) -> None:
        """Delete the object and wait until it is gone."""
        self.access.must(
            "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can "
            "remove this resource from Pulumi state by rerunning the operation with the "
            'PULUMI_K8S_DELETEUNREACHABLE environment variable set to "true": {0}'
        )
        self.cluster.remove(self._key(call.old))

    def _apply(self, key: Key, call: Call) -> Properties:
        known = self.cluster.things.get(key)
        identity = known.uid if known is not None else str(uuid.uuid4())
        shown = masked({**call.wrapped, **dict.fromkeys(self._hidden(call), "[secret]")})
        thing = self.cluster.things[key] = Thing(call.inputs, shown, identity)
        for port in self._node_ports(call.inputs):
            self.cluster.node_ports[port] = key
        return self._outputs(thing)

    def _hidden(self, call: Call) -> list[str]:
        return [name for name in self.secret if name in call.inputs]

    def _outputs(self, thing: Thing) -> Properties:
        key = self._key(thing.applied)
        metadata: dict[str, Value] = {**table(thing.applied, "metadata"), "uid": thing.uid}
        metadata |= {"name": key.name, "generation": 1, "resourceVersion": "1"}
        if key.namespace:
            metadata["namespace"] = key.namespace
        outputs: Properties = {**thing.applied, "metadata": metadata}
        outputs |= {"apiVersion": self.api_version, "kind": self.kind}
        if self.kind == "Secret":
            outputs["data"] = rules.secret_data(thing.applied)
        return outputs

    def _validate(self, key: Key, call: Call, refused: str) -> None:
        found = [
            *rules.complaints(key, call.inputs),
            *(
                f"spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated"
                for port in self._node_ports(call.inputs)
                if self.cluster.node_ports.get(port, key) != key
            ),
        ]
        if found:
            raise RefusalError(f'{refused}: {self.kind} "{key.name}" is invalid: {found[0]}')

    def _node_ports(self, inputs: Properties) -> list[int]:
        if self.kind != "Service":
            return []
        ports = [port for port in items(table(inputs, "spec"), "ports") if isinstance(port, dict)]
        return [found for port in ports if (found := number(port, "nodePort"))]
