"""Property values as the engine and a provider exchange them, secrets and unknowns kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf import struct_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that marks a value as special; Pulumi's protocol fixes it and the next two."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's mark, no secret
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(frozen=True)
class Unknown:
    """A value that exists only after the operation that a preview foretells."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine was told to encrypt."""

    value: Value


Value: TypeAlias = (
    "bool | int | float | str | Unknown | Secret | list[Value] | dict[str, Value] | None"
)
Properties: TypeAlias = "dict[str, Value]"


def decode(struct: struct_pb2.Struct) -> Properties:
    """Return ``struct``'s properties; whole numbers come as ``int``."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Value:
    result: Value = None
    match value.WhichOneof("kind"):
        case "string_value":
            result = UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
        case "number_value":
            number = value.number_value
            result = int(number) if number.is_integer() else number
        case "bool_value":
            result = value.bool_value
        case "list_value":
            result = [_decode(item) for item in value.list_value.values]
        case "struct_value":
            properties = decode(value.struct_value)
            is_secret = properties.get(SIGNATURE) == SECRET
            result = Secret(properties.get("value")) if is_secret else properties
        case _:
            pass
    return result


def encode(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Return ``properties`` as the protocol carries them; those that are ``None`` are left out."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            _encode(value, struct.fields[key])
    return struct


def _encode(value: Value, target: struct_pb2.Value) -> None:
    if isinstance(value, Secret):
        target.struct_value.fields[SIGNATURE].string_value = SECRET
        _encode(value.value, target.struct_value.fields["value"])
    elif isinstance(value, Unknown):
        target.string_value = UNKNOWN_TEXT
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _encode(item, target.list_value.values.add())
    elif isinstance(value, dict):
        target.struct_value.CopyFrom(encode(value))
    else:
        target.null_value = struct_pb2.NULL_VALUE


def plain(value: Value) -> Value:
    """Return ``value`` without its secrets' wrapping."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def bare(properties: Mapping[str, Value]) -> Properties:
    """Return all of ``properties`` without secrets' wrapping."""
    return {key: plain(value) for key, value in properties.items()}


def masked(value: Value) -> Value:
    """Return ``value`` with each secret replaced by a word that says so."""
    if isinstance(value, Secret):
        return "[secret]"
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value


def holds(value: Value, test: Callable[[Value], bool]) -> bool:
    """Tell whether ``test`` is true of ``value`` or of anything inside it."""
    if test(value):
        return True
    if isinstance(value, Secret):
        return holds(value.value, test)
    if isinstance(value, list):
        return any(holds(item, test) for item in value)
    if isinstance(value, dict):
        return any(holds(item, test) for item in value.values())
    return False


def is_unknown(value: Value) -> bool:
    """Tell whether ``value`` is, or holds, something unknown."""
    return holds(value, lambda item: isinstance(item, Unknown))


def is_secret(value: Value) -> bool:
    """Tell whether ``value`` is, or holds, a secret."""
    return holds(value, lambda item: isinstance(item, Secret))


def clear_texts(value: Value) -> list[str]:
    """Return every text inside ``value``, keys too, that no secret's wrapping covers."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in clear_texts(item)]
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in clear_texts(item))]
    return []


def like_inputs(outputs: Properties, inputs: Mapping[str, Value]) -> Properties:
    """Return ``outputs`` with each property a secret whose input of the same name is one."""
    return {
        key: Secret(value) if is_secret(inputs.get(key)) and not is_secret(value) else value
        for key, value in outputs.items()
    }


def text(properties: Mapping[str, Value], key: str) -> str:
    """Return the text of ``key``, or an empty one; a number comes as its digits."""
    value = plain(properties.get(key))
    return "" if value is None or isinstance(value, Unknown) else str(value)


def table(properties: Mapping[str, Value], key: str) -> Properties:
    """Return the object of ``key``, or an empty one."""
    value = plain(properties.get(key))
    return value if isinstance(value, dict) else {}


def items(properties: Mapping[str, Value], key: str) -> list[Value]:
    """Return the list of ``key``, or an empty one."""
    value = plain(properties.get(key))
    return value if isinstance(value, list) else []


def number(properties: Mapping[str, Value], key: str) -> int | None:
    """Return the number of ``key``, or nothing."""
    value = plain(properties.get(key))
    return int(value) if isinstance(value, int | float) else None
