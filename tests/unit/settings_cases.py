"""Documents for the settings' tests: the real stack file, and fixtures that spoil it.

A fixture in ``tests/invalid`` has one of

- ``patch``: merged into the real file; ``<delete>`` removes a key, a number is a place in a list,
  and ``{<replace>: VALUE}`` stands for VALUE instead of being merged;
- ``replace``: pairs of a regular expression and what its first match becomes;
- ``text``: the whole file;

besides ``mistakes``, the lines expected, and ``schema``, where the JSON Schema must complain.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ampere_infra.settings.document import Misread, parse_document
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.mistakes import SettingsError

PROJECT = Path(__file__).parents[2]
STACK_FILE = PROJECT / "Pulumi.home.yaml"
FIXTURES = sorted((PROJECT / "tests" / "invalid").glob("*.yaml"))
_REAL: dict[str, Any] = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))


def real() -> dict[str, Any]:
    """The real settings, for a test to change."""
    return copy.deepcopy(_REAL["config"])


def patched(patch: Any, base: Any = None) -> Any:
    """``patch`` merged into ``base``, by default into the real settings."""
    base = real() if base is None else base
    if not isinstance(patch, dict):
        return patch
    if "<replace>" in patch:
        return patch["<replace>"]
    if not isinstance(base, dict | list):
        return patch
    for key, value in patch.items():
        if value == "<delete>":
            del base[key]
        elif isinstance(base, list) or key in base:
            base[key] = patched(value, base[key])
        else:
            base[key] = value
    return base


@dataclass(frozen=True)
class Fixture:
    """One spoilt stack file and what is to be said of it."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Fixture:
        return cls(path, yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))

    @cached_property
    def text(self) -> str:
        if "text" in self.content:
            return self.content["text"]
        if "patch" in self.content:
            return yaml.dump(self._patched, Dumper=yaml.CSafeDumper, sort_keys=False)
        text = STACK_FILE.read_text(encoding="utf-8")
        for pattern, replacement in self.content["replace"]:
            text, count = re.subn(pattern, replacement, text, count=1)
            assert count == 1, f"{self.path.name} no longer finds {pattern!r} in the stack file"
        return text

    @property
    def document(self) -> Any:
        """The whole stack file; raises what reading it raises."""
        if "patch" in self.content:
            return self._patched
        return parse_document("Pulumi.home.yaml", self.text)

    @cached_property
    def _patched(self) -> dict[str, Any]:
        return {"config": patched(self.content["patch"])}


def mistakes_in(fixture: Fixture, folder: Path) -> list[str]:
    """What is said of ``fixture``; of a patch, without the way through a file."""
    if "patch" in fixture.content:
        return mistakes_of(fixture.document["config"])
    path = folder / "Pulumi.home.yaml"
    path.write_text(fixture.text, encoding="utf-8", newline="\n")
    try:
        parse("home", read_stack_file(path))
    except SettingsError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def mistakes_of(config: dict[str, Any], stack: str = "home") -> list[str]:
    """What is said of ``config``."""
    try:
        parse(stack, config)
    except SettingsError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def for_editors(document: Any) -> Any:
    """``document`` as an editor's JSON Schema validator sees it."""
    if isinstance(document, dict):
        return {str(key): for_editors(value) for key, value in document.items()}
    if isinstance(document, list):
        return [for_editors(item) for item in document]
    if isinstance(document, Misread):
        return document.text if document.meaning == "a date" else 0.5
    return document


def as_the_engine_hands_it(config: dict[str, Any]) -> dict[str, str]:
    """``config`` as the engine gives it to the program: JSON text for what is no text."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in config.items()}
