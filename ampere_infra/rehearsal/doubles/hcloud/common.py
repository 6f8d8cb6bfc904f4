"""What all resource types at Hetzner share: they are made, read and deleted by their ids."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ampere_infra.rehearsal.doubles.bridged import Sdk2, state
from ampere_infra.rehearsal.doubles.kind import Call, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, Value, table, text
from ampere_infra.rehearsal.places.hetzner import ApiError, HetznerCloud, Thing
from ampere_infra.rehearsal.places.hetzner_rules import check_labels, check_name

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.world import World


class Resource(Sdk2):
    """A resource type; a subclass says what is its own."""

    kind: str
    """As the API's paths call it."""
    worst = frozenset({"create", "update", "delete"})
    gone_is_fine = True
    """Whether the provider takes a deletion of what is gone for done."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def cloud(self) -> HetznerCloud:
        """The project."""
        return self.world.part(HetznerCloud)

    # What a subclass may have to say.

    def make(self, inputs: Properties) -> Thing:
        """Make the thing, or refuse it as the API does."""
        thing = Thing(
            self.cloud.next_id(),
            self.kind,
            text(inputs, "name"),
            labels(inputs),
            {},
            protected=False,
        )
        self.set(thing, inputs)
        return thing

    def set(self, thing: Thing, inputs: Properties) -> None:
        """Write what an update of ``inputs`` changes."""

    def found(self, thing: Thing) -> dict[str, Value]:
        """Return what the provider reads of ``thing``, besides its name and labels."""
        del thing
        return {}

    # The provider.

    def told(self, inputs: Properties, thing: Thing) -> Properties:
        """Return the state."""
        own: dict[str, Value] = {"name": thing.name, "labels": {**thing.labels}}
        return state(self.whole(inputs), **own, **self.found(thing))

    def create(self, call: Call) -> Made:
        """Make the thing."""
        self.cut_early(call)
        with asking():
            thing = self.make(call.inputs)
            self.cloud.things[thing.id] = thing
        self.cut_late(call)
        return Made(str(thing.id), self.told(call.inputs, thing))

    def read(self, call: Call) -> Made | None:
        """Return the thing, or nothing where it is gone."""
        thing = self.cloud.get(self.kind, call.id)
        return Made(call.id, self.told(call.old, thing)) if thing else None

    def change(self, call: Call) -> Made:
        """Change the thing in place."""
        self.cut_early(call)
        with asking():
            thing = self.cloud.must(self.kind, call.id)
            self.rename(thing, call.inputs)
            self.set(thing, call.inputs)
        self.cut_late(call)
        return Made(call.id, self.told(call.inputs, thing))

    def rename(self, thing: Thing, inputs: Properties) -> None:
        """Write name and labels, which every thing can change."""
        check_name(self.cloud, self.kind, text(inputs, "name"), thing.id)
        check_labels(labels(inputs))
        thing.name, thing.labels = text(inputs, "name"), labels(inputs)

    def delete(self, call: Call) -> None:
        """Take the thing away."""
        self.cut_early(call)
        with asking():
            if self.gone_is_fine and self.cloud.get(self.kind, call.id) is None:
                return
            gone = self.cloud.delete(self.cloud.must(self.kind, call.id))
        self.world.forget(*gone)
        self.cut_late(call)

    def cut_early(self, call: Call) -> None:
        """Fail before anything has happened."""
        if call.fails and not self.cloud.loses_answers:
            raise RefusalError("limit of 3600 requests per hour reached (rate_limit_exceeded)")

    def cut_late(self, call: Call) -> None:
        """Fail when everything has happened."""
        if call.fails:
            raise RefusalError('Post "https://api.hetzner.cloud/v1": EOF')


@contextmanager
def asking() -> Generator[None]:
    """Pass the API's refusals on in the provider's words."""
    try:
        yield
    except ApiError as error:
        raise RefusalError(str(error)) from error


def labels(inputs: Properties) -> dict[str, str]:
    """Return the labels among ``inputs``."""
    return {key: str(value) for key, value in table(inputs, "labels").items()}


def integers(values: list[Value]) -> list[int]:
    """Return ids, which some properties have as text and some as numbers."""
    return [int(str(value)) for value in values]


def plain(value: Value) -> Any:  # noqa: ANN401 - whatever a property holds
    """Return ``value`` for a field of a thing."""
    return value
