"""What belongs in a field, in the words of whoever writes a stack file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args, get_origin

from ampere_infra.settings.partial import section_of
from ampere_infra.settings.types import Size
from ampere_infra.settings.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

_KEYS_LISTED = 14


def choices_of(annotation: object) -> tuple[str, ...]:
    """Return the words that a field chooses from; none where it is no choice."""
    return (
        cast("tuple[str, ...]", get_args(annotation)) if get_origin(annotation) is Literal else ()
    )


def expected_in(field: FieldInfo, *, element: bool = False) -> str:
    """Return what belongs in ``field``, or in an element of it, as the object of 'write'."""
    annotation = cast("object", field.annotation)
    if section := section_of(annotation):
        keys = [name for name, f in section.model_fields.items() if f.is_required()]
        listed = annotation is not section and not element
        of_keys = f"with the keys {', '.join((keys or list(section.model_fields))[:_KEYS_LISTED])}"
        return f"a list of sections {of_keys}" if listed else f"a section {of_keys}"
    if choices := choices_of(annotation):
        return " or ".join((", ".join(choices[:-1]), choices[-1]))
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return f"a whole number from {_bound(field, 'ge')} to {_bound(field, 'le')}"
    example = next((w.example for w in written_in(annotation, field.metadata)), "a word")
    if get_origin(annotation) is tuple and not element:
        return f"a list such as [{example}]"
    return f"text such as {example}"


def _bound(field: FieldInfo, name: str) -> object:
    return next((getattr(m, name) for m in field.metadata if hasattr(m, name)), "")


def written_in(annotation: object, metadata: Iterable[object]) -> Iterator[Written]:
    """Yield how the values inside ``annotation`` are written."""
    yield from (note for note in metadata if isinstance(note, Written))
    if annotation is Size:
        yield Size.written()
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from written_in(arguments[0], arguments[1:])
    else:
        for argument in arguments:
            yield from written_in(argument, ())
