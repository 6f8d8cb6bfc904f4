"""What all resource types share that Azure's resource manager keeps.

Learned from the provider's sources (``provider.go``, ``diff.go``, ``crud.go``, the custom
resources), from the calls of a real key vault's life recorded beside them, and from Microsoft's
REST reference. The real provider takes an unknown input in silence and makes up a name where none
is given; here both are refused.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, get_overloads

from ampere_infra.rehearsal.doubles import schema
from ampere_infra.rehearsal.doubles.azure_native.changes import follow, input_changes
from ampere_infra.rehearsal.doubles.diffs import Difference
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Kind, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import UNKNOWN, Properties, text
from ampere_infra.rehearsal.places.azure import Azure, Thing

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
API_VERSION = re.compile(r"Uses Azure REST API version (\d{4}-\d\d-\d\d(?:-preview)?)\.")
STABLE = ("name", "location")
"""Outputs that a preview of an update takes for what they were."""


def refusal(status: int, code: str, message: str) -> RefusalError:
    """Return an error of Azure in the provider's words."""
    return RefusalError(f'Status={status} Code="{code}" Message="{message}"')


def guid() -> str:
    """Draw what Azure gives an identity."""
    return str(uuid.uuid4())


class Arm(Kind):
    """A resource type with a path; a subclass says what is its own."""

    path: str
    """The id, its parameters by their names among the inputs."""
    type: str
    resource: type
    """The SDK's class of the resource: its outputs, and the API version that it speaks."""
    patterns: tuple[tuple[str, str], ...] = ()
    """What the names among the inputs have to look like."""
    forces_new: frozenset[str] = frozenset({"location"})
    """Inputs beside those of the path whose change makes another resource."""
    located = False
    parents: tuple[str, ...] = (GROUP,)
    """The paths of what has to be there first."""
    by_default = False
    """Whether the resource is there with its parent, and goes back to that when it is deleted."""
    worst = frozenset({"create", "update", "delete"})

    def __init__(self, world: World, cloud: Properties) -> None:
        self.world = world
        self.cloud = cloud
        told = "".join(each.__doc__ or "" for each in get_overloads(self.resource.__init__))
        self.api_version = str(API_VERSION.findall(told)[0])
        self.parameters = frozenset(re.findall(r"{(\w+)}", self.path)) - {"subscriptionId"}

    @property
    def azure(self) -> Azure:
        """The subscription."""
        return self.world.part(Azure)

    # What a subclass may have to say.

    def validate(self, inputs: Properties) -> None:
        """Refuse what Azure refuses, whatever is there already."""

    def admit(self, inputs: Properties, old: Thing | None) -> None:
        """Refuse what Azure refuses because of what is there."""

    def born(self, inputs: Properties) -> Properties:
        """Return what Azure itself gives a new resource."""
        del inputs
        return {}

    def outputs(self, thing: Thing) -> Properties:
        """Return what Azure says of ``thing`` besides its name and type."""
        return {**self.body(thing.inputs), **thing.found}

    # The provider.

    def body(self, inputs: Properties) -> Properties:
        """Return the inputs that are not part of the path."""
        return {k: v for k, v in inputs.items() if k not in self.parameters}

    def identity(self, inputs: Properties, path: str | None = None) -> str:
        """Return the id that ``inputs`` lead to."""
        values = {**self.cloud, **inputs}
        return re.sub(
            r"{(\w+)}", lambda match: text(values, match[1]).strip("/"), path or self.path
        )

    def say(self, call: Call, fault: schema.Fault) -> Failure:
        """Return the provider's words for ``fault``; it names no property."""
        if fault.kind == "missing":
            return Failure(f"missing required property '{fault.path}'")
        return super().say(call, fault)

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Return the inputs with location and API version, and what is wrong with them."""
        failures = self.type_failures(call)
        missing = [n for n in sorted(self.parameters) if call.inputs.get(n) is None]
        failures += [Failure(f"missing required property '{name}'") for name in missing]
        for name, pattern in self.patterns:
            value = call.inputs.get(name)
            if isinstance(value, str) and not re.fullmatch(pattern, value):
                failures.append(Failure(f"'{name}' does not match expression '{pattern}'"))
        filled: Properties = {"azureApiVersion": self.api_version}
        if self.located:
            place = call.old_inputs.get("location") or self.cloud.get("location")
            filled["location"] = place
            if place is None and call.inputs.get("location") is None:
                failures.append(Failure("missing required property 'location'"))
        return {**filled, **inputs}, failures

    def diff(self, call: Call) -> Difference:
        """Compare inputs with inputs."""
        found = tuple(
            change
            for change in input_changes(call.old_inputs, call.inputs)
            if change.path not in call.ignored
        )
        replacing = frozenset(c.path for c in found if self._replaces(c.pattern))
        return Difference(found, replacing, bool(replacing))

    def _replaces(self, pattern: str) -> bool:
        return any(
            f"{pattern}.".startswith(f"{name}.") for name in self.parameters | self.forces_new
        )

    def plan(self, call: Call) -> Properties:
        """Return the inputs among the outputs; all else comes from Azure, names too."""
        return {name: call.inputs.get(name, UNKNOWN) for name in self._output_names()}

    def plan_update(self, call: Call) -> Properties:
        """Return the same, but for what no update changes."""
        stable = {name: call.old[name] for name in STABLE if name in call.old}
        return {**self.plan(call), **stable}

    def _output_names(self) -> list[str]:
        members = vars(self.resource).items()
        return [
            str(getattr(member.fget, "_pulumi_name", name))
            for name, member in members
            if isinstance(member, property)
        ]

    def create(self, call: Call) -> Made:
        """Make what is not there; what is there is never taken over."""
        self._cut_early(call)
        identity = self.identity(call.inputs)
        old = self.azure.get(identity)
        if old is not None and not self.by_default:
            raise RefusalError(f"cannot create already existing resource '{identity}'")
        return self._put(call, identity, None)

    def update(self, call: Call) -> Made:
        """Put the resource again, as a whole."""
        self._cut_early(call)
        identity = self.identity(call.inputs)
        return self._put(call, identity, self.azure.get(identity))

    def _put(self, call: Call, identity: str, old: Thing | None) -> Made:
        for path in self.parents:
            parent = self.identity(call.inputs, path)
            if self.azure.get(parent) is None:
                code = "ResourceGroupNotFound" if path == GROUP else "ParentResourceNotFound"
                raise refusal(404, code, f"'{parent}' could not be found.")
        self.validate(call.inputs)
        self.admit(call.inputs, old)
        thing = self.written(call, identity, old)
        self.azure.put(thing)
        self._cut_late(call)
        return Made(thing.id, self._reported(thing))

    def written(self, call: Call, identity: str, old: Thing | None) -> Thing:
        """Return the resource as it is once the inputs are written."""
        found = old.found if old else self.born(call.inputs)
        return Thing(identity, self.type, dict(call.inputs), found)

    def read(self, call: Call) -> Made | None:
        """Return the resource; the inputs follow what changed in Azure since the last reading."""
        thing = self.azure.get(call.id)
        if thing is None:
            return None
        now = self._reported(thing)
        if not call.inputs:
            return Made(thing.id, now, self.imported(thing))
        inputs = follow(call.inputs, self._as_inputs(call.old), self._as_inputs(now))
        return Made(thing.id, now, inputs if isinstance(inputs, dict) else call.inputs)

    def _as_inputs(self, outputs: Properties) -> Properties:
        if self.arguments is None:
            return {}
        inputs = schema.fields_of(self.arguments)
        return {key: value for key, value in outputs.items() if key in inputs}

    def imported(self, thing: Thing) -> Properties:
        """Return the inputs of a resource that the program does not know: all that Azure says."""
        names = {key: thing.inputs[key] for key in self.parameters}
        said = self._as_inputs(self._reported(thing))
        return {**said, **names, "azureApiVersion": self.api_version}

    def delete(self, call: Call) -> None:
        """Take the resource away; it being gone is no error."""
        self._cut_early(call)
        thing = self.azure.get(call.id)
        if thing is not None and self.by_default:
            self.azure.put(Thing(thing.id, self.type, {}, self.born({})))
        self.azure.remove(call.id)
        self._cut_late(call)

    def _reported(self, thing: Thing) -> Properties:
        own = {"name": thing.name, "type": self.type, "azureApiVersion": self.api_version}
        return {**self.outputs(thing), **own, "id": thing.id}

    def _cut_early(self, call: Call) -> None:
        if call.fails and not self.azure.loses_answers:
            raise refusal(429, "TooManyRequests", "The request was throttled.")

    def _cut_late(self, call: Call) -> None:
        if call.fails:
            raise RefusalError(f'Put "https://management.azure.com{call.id}": EOF')
