"""What a resource type accepts, read from the types of the installed SDK, and refused otherwise."""

from __future__ import annotations

import builtins
import collections.abc
import functools
import inspect
import types
import typing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import pulumi

from ampere_infra.rehearsal.doubles.values import SIGNATURE, Secret, Unknown, Value

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PRIMITIVES: dict[object, str] = {
    builtins.str: "string",
    builtins.int: "integer",
    builtins.float: "number",
    builtins.bool: "boolean",
}
_DEFERRED = {"Output": pulumi.Output, "T": Any}
"""Names that the SDK's types use without importing them."""


@dataclass(frozen=True)
class Shape:
    """The form of a value: one of the names of ``kinds``, each with its insides."""

    kinds: frozenset[str] = frozenset({"any"})
    """``string``, ``integer``, ``number``, ``boolean``, ``list``, ``map``, ``object``, ``any``."""
    element: type | None = None
    inside: Shape | None = None
    """The form of a list's items or of a map's values."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields of an object, by the name that the engine uses."""
        return fields_of(self.element) if self.element is not None else {}


@dataclass(frozen=True)
class Field:
    """One field of an object."""

    shape: Shape
    required: bool


@dataclass(frozen=True)
class Fault:
    """Something that a resource type does not accept."""

    path: str
    kind: str
    """``missing``, ``unknown`` or ``type``."""
    detail: str
    """The type that was expected, or the name that may have been meant."""


@functools.cache
def fields_of(arguments: type) -> Mapping[str, Field]:
    """Return the fields of an SDK's class of arguments, by their names in the protocol."""
    signature = inspect.signature(arguments.__init__)
    found: dict[str, Field] = {}
    for python_name, member in inspect.getmembers_static(arguments):
        if not isinstance(member, property) or member.fget is None:
            continue
        name = str(getattr(member.fget, "_pulumi_name", python_name))
        hint: object = typing.get_type_hints(member.fget, localns=_DEFERRED).get("return", Any)
        parameter = signature.parameters.get(python_name)
        required = parameter is not None and parameter.default is inspect.Parameter.empty
        found[name] = Field(_shape(hint), required)
    return found


def shape_of(arguments: type) -> Shape:
    """Return the form of an object with the fields of an SDK's class of arguments."""
    return Shape(frozenset({"object"}), arguments)


def _shape(hint: object) -> Shape:
    options = [option for option in _options(hint) if option is not type(None)]
    kinds: set[str] = set()
    element: type | None = None
    inside: Shape | None = None
    for option in options:
        origin = typing.get_origin(option)
        arguments = typing.get_args(option)
        if option in _PRIMITIVES:
            kinds.add(_PRIMITIVES[option])
        elif origin is typing.Literal or _is_enumeration(option):
            kinds.add("string")
        elif _is_arguments(option):
            kinds.add("object")
            element = cast("type", option)
        elif origin in (collections.abc.Sequence, list):
            kinds.add("list")
            inside = _shape(arguments[0])
        elif origin in (collections.abc.Mapping, dict):
            kinds.add("map")
            inside = _shape(arguments[1])
        elif _is_typed_dict(option):
            continue
        else:
            return Shape()
    return Shape(frozenset(kinds or {"any"}), element, inside)


def _options(hint: object) -> Iterator[object]:
    origin = typing.get_origin(hint)
    if origin is typing.Union or origin is types.UnionType:
        for argument in typing.get_args(hint):
            yield from _options(argument)
    elif not _is_deferred(origin or hint):
        yield hint


def _is_deferred(option: object) -> bool:
    """Tell whether ``option`` only says that the value may come later."""
    return getattr(option, "__name__", "") in ("Output", "Awaitable")


def _is_arguments(option: object) -> bool:
    return isinstance(option, type) and any(
        hasattr(getattr(member, "fget", None), "_pulumi_name") for member in vars(option).values()
    )


def _is_typed_dict(option: object) -> bool:
    return isinstance(option, type) and hasattr(option, "__total__")


def _is_enumeration(option: object) -> bool:
    return isinstance(option, type) and issubclass(option, builtins.str) and option is not str


def faults(shape: Shape, value: Value, path: str = "") -> Iterator[Fault]:
    """Yield everything about ``value`` that is not of ``shape``; the unknown passes."""
    if isinstance(value, Secret):
        yield from faults(shape, value.value, path)
    elif value is None or isinstance(value, Unknown) or "any" in shape.kinds:
        return
    elif isinstance(value, dict):
        if SIGNATURE not in value:
            yield from _object_faults(shape, value, path)
    elif isinstance(value, list):
        if "list" not in shape.kinds:
            yield Fault(path, "type", _wanted(shape))
        for index, item in enumerate(value):
            yield from faults(shape.inside or Shape(), item, f"{path}[{index}]")
    elif not _is_primitive_of(shape.kinds, value):
        yield Fault(path, "type", _wanted(shape))


def _object_faults(shape: Shape, value: dict[str, Value], path: str) -> Iterator[Fault]:
    prefix = f"{path}." if path else ""
    if "object" in shape.kinds:
        fields = shape.fields
        for key in value:
            if key not in fields and not key.startswith("__"):
                near = get_close_matches(key, fields, 1)
                yield Fault(prefix + key, "unknown", near[0] if near else "")
        for name, field in fields.items():
            if value.get(name) is None:
                if field.required:
                    yield Fault(prefix + name, "missing", "")
            else:
                yield from faults(field.shape, value[name], prefix + name)
    elif "map" in shape.kinds:
        for key, item in value.items():
            yield from faults(shape.inside or Shape(), item, prefix + key)
    else:
        yield Fault(path, "type", _wanted(shape))


def _is_primitive_of(kinds: frozenset[str], value: Value) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int):
        return bool({"integer", "number"} & kinds)
    if isinstance(value, float):
        return "number" in kinds
    return "string" in kinds


def _wanted(shape: Shape) -> str:
    return " or ".join(sorted(shape.kinds))
