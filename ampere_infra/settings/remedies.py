"""What a person is told of each of pydantic's findings: never its own words."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ampere_infra.settings.document import Misread
from ampere_infra.settings.expected import choices_of, expected_in, written_in
from ampere_infra.settings.mistakes import Location, Mistake, path_of, secretive, shown
from ampere_infra.settings.partial import is_list, section_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from ampere_infra.settings.types import Model, StackSettings

SECRETS_BELONG = "secrets belong in the stack's SOPS file (docs/secrets.md)"


def mistakes_of(model: type[StackSettings], errors: Iterable[ErrorDetails]) -> Iterator[Mistake]:
    """Yield a mistake for each of ``errors``, which validating ``model`` raised.

    A missing key is not reported beside its own misspelling.
    """
    found = [error for error in errors if not _is_echo(error)]
    meant = {
        (*error["loc"][:-1], suggestion)
        for error in found
        if error["type"] == "extra_forbidden"
        for suggestion in _close(model, error["loc"])
    }
    for error in found:
        location = error["loc"]
        if error["type"] == "extra_forbidden":
            yield _unknown(model, location, error["input"])
        elif error["type"] == "missing":
            if location not in meant:
                yield Mistake(path_of(location), "", _missing(model, location))
        else:
            yield Mistake(path_of(location), shown(error["input"]), _wrong(model, error))


def _is_echo(error: ErrorDetails) -> bool:
    """Whether a list is called too short only because its elements have mistakes of their own."""
    return error["type"] == "too_short" and bool(error["input"])


def _unknown(model: type[StackSettings], location: Location, value: object) -> Mistake:
    key = location[-1]
    return Mistake(
        path_of(location),
        "" if secretive(key) else shown(value),
        f"is unknown; {_suggestion(model, location)}",
    )


def _suggestion(model: type[StackSettings], location: Location) -> str:
    if close := _close(model, location):
        return f"did you mean {path_of((*location[:-1], close[0]))}?"
    if secretive(location[-1]):
        if not model.has_secrets:
            return "this stack has no secrets; remove it"
        return SECRETS_BELONG
    if elsewhere := [p for p in _places(model, str(location[-1])) if p[:-1] != location[:-1]]:
        return f"did you mean {path_of(elsewhere[0])}?"
    section = _section_at(model, location[:-1])
    return f"the keys here are {', '.join(section.model_fields)}" if section else "remove it"


def _close(model: type[Model], location: Location) -> Sequence[str]:
    section = _section_at(model, location[:-1])
    if section is None:
        return ()
    key = str(location[-1])[:60].lower().replace("-", "_")
    return difflib.get_close_matches(key, section.model_fields, n=1, cutoff=0.7)


def _places(model: type[Model], key: str, above: Location = ()) -> Iterator[Location]:
    """Yield where in ``model`` there is a field called ``key``."""
    for name, field in model.model_fields.items():
        if name == key:
            yield (*above, name)
        if (section := section_of(field.annotation)) is not None:
            listed = (0,) if is_list(field.annotation) else ()
            yield from _places(section, key, (*above, name, *listed))


def _field_at(model: type[Model], location: Location) -> FieldInfo | None:
    """Return the field at ``location``; of a list's element, the list's."""
    section: type[Model] | None = model
    field: FieldInfo | None = None
    for part in location:
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return None
        field = section.model_fields[part]
        section = section_of(field.annotation)
    return field


def _section_at(model: type[Model], location: Location) -> type[Model] | None:
    if not location:
        return model
    field = _field_at(model, location)
    return section_of(field.annotation) if field else None


def _missing(model: type[Model], location: Location) -> str:
    field = _field_at(model, location)
    if field is None:
        return "is missing"
    description = (field.description or "").partition("\n")[0].replace("``", "'").rstrip(".")
    return f"is missing; write {expected_in(field)} ({description})"


def _wrong(model: type[Model], error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return str(error.get("ctx", {})["error"])
    field = _field_at(model, error["loc"])
    element = bool(error["loc"]) and isinstance(error["loc"][-1], int)
    expected = expected_in(field, element=element) if field else "what the schema describes"
    empty = "is empty; " if error["input"] is None or error["input"] == "" else ""
    return _because(error, field) or f"{empty}write {expected}{_hint(error, field)}"


def _because(error: ErrorDetails, field: FieldInfo | None) -> str | None:
    """Return the whole remedy where what belongs there is not what a person needs to hear."""
    value, kind = error["input"], error["type"]
    if kind == "too_short":
        return "is empty; write at least one"
    if kind == "invalid_key":
        return "is a key that is no text; put it in quotes"
    return _quoted(value, field) if kind == "string_type" and field else None


def _hint(error: ErrorDetails, field: FieldInfo | None) -> str:
    value, kind = error["input"], error["type"]
    if kind == "literal_error" and (meant := _literal_meant(field, value)):
        return f"; did you mean {meant}?"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return ", without quotes"
    if kind == "int_type" and isinstance(value, Misread) and value.text[:1] == "0":
        return ", in plain decimal digits"
    return ""


def _quoted(value: object, field: FieldInfo) -> str | None:
    """Explain a number, a date or a truth value where text belongs."""
    meaning = _meaning(value)
    if meaning is None:
        return None
    text = value.text if isinstance(value, Misread) else shown(value)
    for written in written_in(field.annotation, field.metadata):
        try:
            written.read(text)
        except ValueError as error:
            return str(error)
    return f"YAML reads this as {meaning}; put it in quotes"


def _meaning(value: object) -> str | None:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Misread):
        return value.meaning
    return "a number" if isinstance(value, int | float) else None


def _literal_meant(field: FieldInfo | None, value: object) -> str | None:
    if field is None or not isinstance(value, str):
        return None
    choices = {choice.lower(): choice for choice in choices_of(field.annotation)}
    close = difflib.get_close_matches(value[:60].lower(), choices, n=1, cutoff=0.85)
    return choices[close[0]] if close else None
