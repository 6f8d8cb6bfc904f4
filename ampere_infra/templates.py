"""Rendering: settings in, text out; an unknown name is an error, and YAML is parsed again."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER: Final = Path(__file__).parent.parent / "templates"


def render(template: str, **values: object) -> str:
    """The text of ``template``, named from the folder ``templates/``.

    ``quoted`` in a template makes a value one word of POSIX shell.

    Raises:
        jinja2.UndefinedError: The template names a value that was not given.
    """
    return _environment().get_template(template).render(values)


def render_yaml(template: str, **values: object) -> str:
    """The text of ``template``, once it was seen to be YAML.

    Raises:
        jinja2.UndefinedError: The template names a value that was not given.
        yaml.YAMLError: The text is no YAML.
    """
    text = render(template, **values)
    parse(text)
    return text


def parse(text: str) -> list[Any]:
    """The documents in ``text``; by libyaml where there is one, which is ten times faster.

    Raises:
        yaml.YAMLError: It is no YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(text, Loader=loader))


@cache
def _environment() -> Environment:
    # What is rendered is configuration and shell, where HTML's escapes would be wrong.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = lambda value: shlex.quote(f"{value}")
    return environment
