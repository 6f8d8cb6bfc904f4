"""From the stack's name to the stack: what ``__main__.py`` runs."""

from __future__ import annotations

from importlib import import_module

import pulumi

from ampere_infra.secrets.model import SecretsError
from ampere_infra.settings.mistakes import SettingsError

STACKS = ("home", "foundation")
"""Each has a module of its name in ``ampere_infra.stacks`` with a function ``build``."""


def main() -> None:
    """Declare the selected stack's resources.

    A stack's module is imported only when it is the one selected: it brings its cloud's SDK along.

    Raises:
        pulumi.RunError: the settings or the secrets are wrong, or no stack has that name; the text
            says everything that is wrong. Nothing is planned then.
    """
    stack = pulumi.get_stack()
    if stack not in STACKS:
        raise pulumi.RunError(f"no stack is called {stack!r}; there are: {', '.join(STACKS)}")
    try:
        import_module(f"ampere_infra.stacks.{stack}").build()
    except (SettingsError, SecretsError) as error:
        raise pulumi.RunError(str(error)) from None
