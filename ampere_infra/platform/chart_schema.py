"""The values of a chart of ours, judged by its ``values.schema.json`` before Helm sees them.

Helm refuses them by the same schema, but only when it reaches the release, after all that comes
before it. https://helm.sh/docs/topics/charts/#schema-files
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Protocol, cast

import yaml
from jsonschema import validators

from ampere_infra.settings.mistakes import Location, Mistake, secretive, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_JSON = (dict, list, str, int, float, type(None))


class _Error(Protocol):
    """What is read of a ``jsonschema.ValidationError``, whose own types leave much open."""

    absolute_path: Iterable[int | str]
    validator: str
    validator_value: Any
    instance: Any
    schema: Mapping[str, Any]


if TYPE_CHECKING:
    _Rule = Callable[[object, object, object, object], Iterable[_Error] | None]


def mistakes(chart: Path, values: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield what ``chart`` would refuse of ``values``, laid over its own.

    Whatever is no JSON, such as an output of the engine, is not known yet and is not judged.
    """
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    found = [
        mistake
        for error in _errors(schema, _laid_over(defaults, values))
        for mistake in _told(f"charts/{chart.name}", error)
    ]
    yield from dict.fromkeys(found)


def _errors(schema: Mapping[str, object], values: Mapping[str, object]) -> Iterator[_Error]:
    base = validators.Draft202012Validator
    rules = cast("Mapping[str, _Rule]", base.VALIDATORS)
    extend = cast("Any", validators).extend
    judging = extend(base, {name: _of_known(rule) for name, rule in rules.items()})
    yield from judging(schema).iter_errors(values)


def _of_known(rule: _Rule) -> _Rule:
    def judge(validator: object, wanted: object, value: object, schema: object) -> Iterator[_Error]:
        if isinstance(value, _JSON):
            yield from rule(validator, wanted, cast("object", value), schema) or ()

    return judge


def _laid_over(defaults: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """Return ``values`` over ``defaults`` as Helm does it: sections merge, ``null`` takes away."""
    merged = {**defaults, **values}
    for key, value in values.items():
        below = defaults.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _laid_over(
                cast("dict[str, object]", below), cast("dict[str, object]", value)
            )
    return {key: value for key, value in merged.items() if value is not None}


def _told(chart: str, error: _Error) -> Iterator[Mistake]:
    place = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(error.instance.keys() - set(known)):
                yield _mistake(chart, (*place, key), error.instance[key], _unknown(key, known))
        case "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield _mistake(chart, (*place, key), None, "is missing, and has no default")
        case _:
            yield _mistake(chart, place, error.instance, _expected(error))


def _mistake(chart: str, place: Location, value: object, remedy: str) -> Mistake:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    hidden = value is None or any(secretive(part) for part in place)
    return Mistake(f"{chart}: {path.removeprefix('.')}", "" if hidden else shown(value), remedy)


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"those here are {', '.join(known)}"
    return f"is no value of this chart; {meant}"


def _expected(error: _Error) -> str:
    """Return what belongs there; the value itself is shown by the mistake, or not."""
    wanted = error.validator_value
    match error.validator:
        case "type":
            return f"write {_type(wanted)}"
        case "enum":
            return f"write {' or '.join(map(str, wanted))}"
        case "minimum" | "maximum":
            low, high = error.schema.get("minimum"), error.schema.get("maximum")
            return f"write a number from {low}" + (f" to {high}" if high is not None else "")
        case "pattern":
            return f"write text that matches {wanted}"
        case "minLength" | "minItems":
            return "is empty; write something"
        case _:
            return f"does not fit the schema's {error.validator}: {json.dumps(wanted)}"


def _type(wanted: str | list[str]) -> str:
    names = {"integer": "a whole number", "boolean": "true or false", "array": "a list"}
    names |= {"object": "a section", "string": "text"}
    kinds = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(names.get(kind, kind) for kind in kinds)
