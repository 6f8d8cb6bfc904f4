"""A stack file's YAML, read as the engine reads it: YAML 1.2 words, no second meaning of ``no``.

Numbers that are not plain decimal, dates and floats come back as a ``Misread`` with their text:
no setting is one of those, and a person who wrote ``version: 1.10`` is to be told so.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import yaml

from ampere_infra.settings.mistakes import Mistake, SettingsError, shown

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 1024 * 1024
_MOST_NODES = 20_000
_DEEPEST = 40
_MERGE = "<<"

_WORDS: dict[str, bool | None] = {
    spelling: meaning
    for word, meaning in (("true", True), ("false", False), ("null", None))
    for spelling in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_OTHERS = (
    (re.compile(r"[-+]?[0-9][0-9_]*"), "a number"),
    (re.compile(r"[-+]?0(?:x[0-9A-Fa-f_]+|o[0-7_]+|b[01_]+)"), "a number"),
    (re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?"), "a number"),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), "a number"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"), "a date"),
)


@dataclass(frozen=True)
class Misread:
    """A scalar whose text YAML takes for something that no setting is."""

    text: str
    meaning: str

    def __repr__(self) -> str:
        return self.text


class _Events(Protocol):
    def peek_event(self) -> yaml.Event: ...


class _Loader(yaml.BaseLoader):
    """A loader that makes nodes only, and refuses what a stack file has no use for."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("_Events", self).peek_event()
        if getattr(event, "tag", None) not in {None, "!"}:
            mark = cast("yaml.Mark", event.start_mark)
            problem = "has a tag; write the value without it"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return super().compose_node(parent, index)


class _Converter:
    """Nodes to values, with a budget: aliases can make a small text a huge document."""

    def __init__(self) -> None:
        self.nodes = 0

    def value(self, node: yaml.Node, depth: int = 0) -> object:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise _refusal(node, "repeats its aliases too often; write the values out")
        if depth > _DEEPEST:
            raise _refusal(node, "is nested too deeply, or inside itself by an alias")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in cast("list[yaml.Node]", node.value)]
        return scalar(cast("str", node.value), plain=cast("yaml.ScalarNode", node).style is None)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[object, object]:
        merged: dict[object, object] = {}
        own: dict[object, object] = {}
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            key = self.value(key_node, depth + 1)
            if not isinstance(key, Hashable):
                raise _refusal(key_node, "is a key that is no text; write a name before the colon")
            if key == _MERGE:
                for other in self._sources(value_node, depth):
                    merged = {**other, **merged}
            elif key in own:
                raise _refusal(key_node, f"repeats the key {shown(key)}; keep one of the two")
            else:
                own[key] = self.value(value_node, depth + 1)
        return {**merged, **own}

    def _sources(self, node: yaml.Node, depth: int) -> Iterator[dict[object, object]]:
        value = self.value(node, depth + 1)
        for source in cast("list[object]", value) if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise _refusal(node, "merges what is no mapping; name a mapping after '<<:'")
            yield cast("dict[object, object]", source)


def scalar(text: str, *, plain: bool) -> object:
    """Return what the engine makes of a scalar; ``plain`` is one without quotes."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text):
        return int(text)
    return next((Misread(text, what) for form, what in _OTHERS if form.fullmatch(text)), text)


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def read_document(path: Path) -> object:
    """Return the YAML document in the file at ``path``.

    Raises:
        SettingsError: the file cannot be read, or is no YAML that the engine would read.
    """
    return parse_document(path.name, _text_of(path))


def parse_document(name: str, text: str) -> object:
    """Return the YAML document that ``text``, from a file called ``name``, spells.

    Raises:
        SettingsError: it is no YAML that the engine would read.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _Converter().value(node)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(name, error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unreadable(f"{name}:{line}", "holds a control character; remove it") from None
    except RecursionError:
        raise _unreadable(name, "is nested too deeply to be a stack file") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise _unreadable(name, "holds an escape or a directive that is no YAML") from None


def _syntax_error(name: str, error: yaml.MarkedYAMLError) -> SettingsError:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    problem = f"{error.problem}".encode("ascii", "backslashreplace").decode()[:200]
    if r"'\t'" in problem:
        problem = "indents with a tab; use spaces"
    elif "single document" in f"{error.context}":
        problem = "holds a second document; keep one, without '---' between"
    elif type(error) is not yaml.MarkedYAMLError:
        problem = f"is no valid YAML here: {problem}"
    return _unreadable(where, problem)


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path.name, "is not there; run this in the project's folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        raise _unreadable(path.name, f"cannot be read: {reason}") from None
    if len(data) > _LARGEST:
        raise _unreadable(path.name, "is larger than 1MiB, which no stack file is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(f"{path.name}:{line}", "is not UTF-8; save the file as UTF-8") from None


def _unreadable(where: str, remedy: str) -> SettingsError:
    return SettingsError([Mistake(where, "", remedy)])
