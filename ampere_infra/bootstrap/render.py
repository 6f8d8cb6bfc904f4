"""Templates to text: an unknown name is an error, and what should be YAML is parsed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "bootstrap"


@cache
def _environment() -> Environment:
    return Environment(
        # S701: no HTML here.
        autoescape=False,  # noqa: S701
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> str:
    """Return ``template`` filled in.

    Raises:
        jinja2.UndefinedError: it names a value that is not among ``values``.
    """
    return _environment().get_template(template).render(values)


def render_yaml(template: str, **values: object) -> str:
    """Return ``template`` filled in, once it was seen to be YAML.

    Raises:
        yaml.YAMLError: it is not.
    """
    text = render(template, **values)
    parse(text)
    return text


def parse(text: str) -> list[Any]:
    """Return the documents in ``text``; by libyaml where there is one, which is ten times faster.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(text, Loader=loader))
