"""From the stack's name to the stack: what ``__main__.py`` runs."""

from __future__ import annotations

from importlib import import_module

import pulumi

from ampere_infra.secrets.model import SecretsError
from ampere_infra.settings.mistakes import SettingsError

STACKS = ("home", "api", "foundation")
"""Each has a module of its name in ``ampere_infra.stacks`` with a function ``build``."""


def main() -> None:
    """Declare the selected stack's resources.

    A stack's module is imported only when it is the one selected: it brings its cloud's SDK along.

    Raises:
        pulumi.RunError: the settings or the secrets are wrong, no stack has that name, or its
            cloud's SDK is not installed; the text says everything that is wrong. Nothing is
            planned then.
    """
    stack = pulumi.get_stack()
    if stack not in STACKS:
        raise pulumi.RunError(f"no stack is called {stack!r}; there are: {', '.join(STACKS)}")
    try:
        build = import_module(f"ampere_infra.stacks.{stack}").build
    except ModuleNotFoundError as error:
        if not f"{error.name}".startswith("pulumi_"):
            raise
        remedy = f"run: uv sync --locked --inexact --group {stack}"
        raise pulumi.RunError(f"{error.name} is not installed; {remedy}") from None
    try:
        build()
    except (SettingsError, SecretsError) as error:
        raise pulumi.RunError(str(error)) from None
