"""A resource type of a double: what it accepts, what it does to the world, what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles import diffs, schema
from ampere_infra.rehearsal.doubles.diffs import Difference, shaped_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.rehearsal.doubles.values import Properties, Value


class RefusalError(Exception):
    """The provider refuses or fails; nothing of the resource is recorded."""


class IncompleteError(Exception):
    """The resource exists, but its operation did not end well: it is recorded with the reasons."""

    def __init__(self, made: Made, reasons: Sequence[str]) -> None:
        super().__init__(reasons[0])
        self.made = made
        self.reasons = reasons


@dataclass(frozen=True)
class Made:
    """A resource as its provider reports it."""

    id: str
    outputs: Properties
    inputs: Properties | None = None
    """What a refresh makes of the inputs, where that is not simply the outputs' share of them."""


@dataclass(frozen=True)
class Failure:
    """What a Check finds wrong; without a property where the real provider names none."""

    reason: str
    property: str = ""


@dataclass(frozen=True)
class Call:
    """One operation on one resource; its values are bare, secrets' wrapping taken off."""

    urn: str
    id: str = ""
    inputs: Properties = field(default_factory=dict[str, "Value"])
    """What the program wants; what the state has of it when the resource is read or deleted."""
    wrapped: Properties = field(default_factory=dict[str, "Value"])
    """The inputs with their secrets still wrapped."""
    old: Properties = field(default_factory=dict[str, "Value"])
    """What the state has."""
    old_inputs: Properties = field(default_factory=dict[str, "Value"])
    ignored: Sequence[str] = ()
    """Paths whose changes do not count."""
    fails: bool = False
    """This operation is to fail in the worst way that is true of the real provider."""
    preview: bool = False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]


class Kind:
    """One resource type; a subclass knows one, and the state of the world that it changes."""

    arguments: type | None = None
    """The SDK's class of its inputs."""
    secret: frozenset[str] = frozenset()
    """Outputs that are secret by the provider's schema."""
    worst: frozenset[str] = frozenset()
    """Actions whose failure leaves something behind: ``call.fails`` tells them to."""
    alone: bool = True
    """Whether it acts on the world in memory, where one acts at a time."""

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Return the inputs, defaults filled in, and what is wrong with them.

        ``inputs`` still has its secrets wrapped; ``call.inputs`` are the same ones, bare.
        """
        return inputs, self.type_failures(call)

    def type_failures(self, call: Call) -> list[Failure]:
        """Return what the types of the SDK find wrong."""
        if self.arguments is None:
            return []
        found = schema.faults(schema.shape_of(self.arguments), call.inputs)
        return [self.say(call, fault) for fault in found]

    def say(self, call: Call, fault: schema.Fault) -> Failure:
        """Return how the real provider words ``fault``."""
        hint = f", did you mean {fault.detail}?" if fault.detail else ""
        words = {
            "missing": f"missing required property {fault.path}",
            "unknown": f"unknown property {fault.path}{hint}",
            "type": f"{fault.path}: expected {fault.detail} type",
        }
        return Failure(f"{call.name}: {words[fault.kind]}", fault.path)

    def plan(self, call: Call) -> Properties:
        """Return what a preview of the creation says, computed properties unknown."""
        return dict(call.inputs)

    def plan_update(self, call: Call) -> Properties:
        """Return what a preview of an update says."""
        return {**call.old, **call.inputs}

    def diff(self, call: Call) -> Difference:
        """Return what changed; nothing needs a replacement unless a subclass says so."""
        found = diffs.changes(call.old_inputs, call.inputs, skip=lambda _: False)
        return Difference(tuple(c for c in found if c.path not in call.ignored))

    def create(self, call: Call) -> Made:
        """Make the resource."""
        raise NotImplementedError

    def read(self, call: Call) -> Made | None:
        """Return the resource as it is now, or nothing if it is gone."""
        return Made(call.id, call.old, call.inputs)

    def update(self, call: Call) -> Made:
        """Change the resource in place."""
        raise NotImplementedError

    def delete(self, call: Call) -> None:
        """Take the resource away; it being gone is no error unless the provider makes it one."""

    def error(self, action: str, call: Call, message: str) -> str:
        """Return how the provider passes the message of a failed ``action`` on."""
        del action, call
        return message

    def inputs_read(self, call: Call, made: Made) -> Properties:
        """Return the inputs that a refresh records."""
        if made.inputs is not None:
            return made.inputs
        shaped = shaped_like(call.inputs, made.outputs)
        return shaped if isinstance(shaped, dict) else {}
