"""The rules that a provider has which Pulumi's bridge makes of a Terraform provider."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.diffs import Change, Difference, changes
from ampere_infra.rehearsal.doubles.kind import Call, Failure, IncompleteError, Kind, Made
from ampere_infra.rehearsal.doubles.values import UNKNOWN, Properties, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.doubles.schema import Fault

DEFAULTS = "__defaults"
"""Where the bridge notes which inputs were not given."""


@dataclass(frozen=True)
class Rules:
    """One resource's Terraform schema, as far as it is not in the SDK's types.

    Paths are without indices: ``disks[].scsi``.
    """

    force_new: frozenset[str] = frozenset()
    """Properties whose change makes another resource; of a list, its length's change."""
    computed: frozenset[str] = frozenset()
    """Properties that the provider finds when they are not given."""
    defaults: Mapping[str, Value] = field(default_factory=dict[str, "Value"])
    required: frozenset[str] = frozenset()
    """Required, though the bridge would make a name up."""
    fold_case: frozenset[str] = frozenset()
    """Properties of which a change of case alone does not count."""
    updatable: bool = True
    """Whether Terraform's resource has an update at all."""


class Bridged(Kind):
    """A resource type behind the bridge: its differences are those of state and configuration."""

    rules: Rules = Rules()

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Return the inputs with Terraform's defaults, and what Terraform's validation says."""
        failures = self.type_failures(call)
        filled, missing = self.fill(inputs)
        named: list[str] = []
        if self._is_named() and inputs.get("name") is None:
            filled["name"] = call.old_inputs.get("name") or f"{call.name}-{_suffix(call.urn)}"
            named = ["name"]
        noted: list[Value] = [*named, *missing]
        failures += self.validate(call)
        return {**filled, DEFAULTS: noted}, failures

    def fill(self, inputs: Properties) -> tuple[Properties, list[str]]:
        """Return the inputs as a Check hands them back, and which of them were not given."""
        return dict(inputs), []

    def whole(self, inputs: Properties) -> Properties:
        """Return the inputs with every default."""
        return {**self.rules.defaults, **_without_notes(inputs)}

    def validate(self, call: Call) -> list[Failure]:
        """Return what else Terraform's validation finds wrong."""
        del call
        return []

    def say(self, call: Call, fault: Fault) -> Failure:
        """Return the bridge's words for ``fault``; it names no property."""
        at = f"Examine values at '{call.name}.{fault.path}'."
        if fault.kind == "missing":
            name = fault.path.rpartition(".")[2]
            return Failure(
                f'Missing required argument. The argument "{name}" is required, '
                f"but no definition was found.. {at}"
            )
        if fault.kind == "unknown":
            return Failure(f"Invalid or unknown key. {at}")
        return Failure(f"Incorrect attribute value type. {fault.detail} required. {at}")

    def plan(self, call: Call) -> Properties:
        """Return the inputs, and unknown for what the provider will find."""
        top = (name for name in self.rules.computed if "." not in name and "[" not in name)
        unknown: Properties = {key: UNKNOWN for key in top if call.inputs.get(key) is None}
        return {**self.whole(call.inputs), **unknown}

    def plan_update(self, call: Call) -> Properties:
        """Return the inputs over what the provider had found before."""
        kept = {key: call.old[key] for key in self.rules.computed if key in call.old}
        return {**kept, **self.whole(call.inputs)}

    def diff(self, call: Call) -> Difference:
        """Return what differs between the state and the configuration."""
        found = [
            change
            for change in changes(call.old, self.whole(call.inputs), skip=self._is_found)
            if change.path not in call.ignored and not self._is_only_case(change, call)
        ]
        replacing = frozenset(change.path for change in found if self._replaces(change))
        return Difference(tuple(found), replacing, self._must_delete_first(call))

    def update(self, call: Call) -> Made:
        """Change the resource in place, if Terraform's resource can."""
        if not self.rules.updatable:
            raise IncompleteError(Made(call.id, call.old), ["doesn't support update"])
        return self.change(call)

    def change(self, call: Call) -> Made:
        """Change the resource in place."""
        return Made(call.id, self.plan_update(call))

    def _replaces(self, change: Change) -> bool:
        """Tell whether ``change`` makes another resource; a list's length by its elements only."""
        by_itself = change.pattern in self.rules.force_new and not change.counts
        return by_itself or (change.alone and change.around in self.rules.force_new)

    def _is_found(self, pattern: str) -> bool:
        return pattern in self.rules.computed or pattern in self.outputs

    @property
    def outputs(self) -> frozenset[str]:
        """Properties that are outputs only."""
        return frozenset()

    def _is_only_case(self, change: Change, call: Call) -> bool:
        if change.pattern not in self.rules.fold_case:
            return False
        old, new = at(call.old, change.path), at(call.inputs, change.path)
        return str(old).casefold() == str(new).casefold()

    def _is_named(self) -> bool:
        return "name" in self.rules.force_new

    def _must_delete_first(self, call: Call) -> bool:
        """Tell whether old and new cannot live side by side: the name was given, not made up."""
        noted = call.inputs.get(DEFAULTS)
        return self._is_named() and isinstance(noted, list) and "name" not in noted


class Sdk2(Bridged):
    """A resource type of a provider that is written with Terraform's SDK, version 2."""

    def fill(self, inputs: Properties) -> tuple[Properties, list[str]]:
        """Return the inputs with the schema's defaults, which this SDK knows before the plan."""
        missing = [key for key in self.rules.defaults if inputs.get(key) is None]
        return {**inputs, **{key: self.rules.defaults[key] for key in missing}}, missing

    def error(self, action: str, call: Call, message: str) -> str:
        """Return the message as SDK and bridge pass it on."""
        wrapped = f"1 error occurred:\n\t* {message}\n\n"
        where = {"delete": "deleting", "read": "refreshing"}.get(action)
        return f"{where} {call.urn}: {wrapped}" if where else wrapped


def at(value: Value, path: str) -> Value:
    """Return what stands at ``path``, such as ``disks[0].scsi``, or nothing."""
    for step in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _suffix(urn: str) -> str:
    """Return the seven hex digits of a name that the bridge makes up; here always the same."""
    return hashlib.sha256(urn.encode()).hexdigest()[:7]


def _without_notes(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


def state(inputs: Properties, **found: Value) -> Properties:
    """Return a resource's state: its inputs, and what the provider ``found``."""
    return {**_without_notes(inputs), **found}
