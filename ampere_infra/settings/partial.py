"""What did parse of a document with mistakes, so that the cross-checks can look at it too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ampere_infra.settings.types import Model

M = TypeVar("M", bound=Model)


def section_of(annotation: object) -> type[Model] | None:
    """Return the section that a field is, or is a list of; none where it is a value."""
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Model)), None)


def is_list(annotation: object) -> bool:
    """Whether a field is a list of sections."""
    return get_origin(annotation) is tuple


def partially(model: type[M], data: object) -> M:
    """Return ``model`` with the fields of ``data`` that are right; asking for others raises.

    The ``AttributeError`` of a missing field ends the check that asked for it.
    """
    found: dict[str, object] = {}
    values = _mapping(data) or {}
    for name, field in model.model_fields.items():
        if name not in values:
            if not field.is_required():
                found[name] = field.get_default(call_default_factory=True)
        elif section := section_of(field.annotation):
            found |= _section(name, section, values[name], listed=is_list(field.annotation))
        else:
            found |= _leaf(model, name, values[name])
    made = model.model_construct(set(found), **found)
    for name in model.model_fields.keys() - found.keys():
        vars(made).pop(name, None)
    return made


def _mapping(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None


def _section(name: str, section: type[Model], value: object, *, listed: bool) -> dict[str, object]:
    if not listed:
        return {} if _mapping(value) is None else {name: partially(section, value)}
    if not isinstance(value, list):
        return {}
    return {name: tuple(partially(section, item) for item in cast("list[object]", value))}


def _leaf(model: type[Model], name: str, value: object) -> dict[str, object]:
    try:
        return {name: _adapter(model, name).validate_python(value)}
    except ValidationError:
        return {}


@cache
def _adapter(model: type[Model], name: str) -> TypeAdapter[object]:
    return TypeAdapter(_hints(model)[name])


@cache
def _hints(model: type[Model]) -> dict[str, type[object]]:
    return cast("dict[str, type[object]]", get_type_hints(model, include_extras=True))
