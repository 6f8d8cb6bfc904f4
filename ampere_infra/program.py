"""From the stack's name to the stack: what ``__main__.py`` runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Final, cast

import pulumi
from pulumi.runtime.settings import SETTINGS

from ampere_infra.secrets.model import SecretsError
from ampere_infra.settings.mistakes import SettingsError

STACKS = ("home", "api", "foundation")
"""Each has a module of its name in ``ampere_infra.stacks`` with a function ``build``."""

THREADS: Final = 4096
"""More than a stack has resources; threads are made as they are needed."""


def give_threads() -> None:
    """Give the program's event loop as many threads as it asks for.

    Each registration holds one until the engine is done with it. The engine may wait for a hook
    meanwhile, and a hook that runs a command needs one, too. Pulumi's language host gives a few for
    each operation that runs at a time: where registrations held them all, both would wait for ever.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))


def unsettled() -> list[asyncio.Task[object]]:
    """Return what Pulumi's outputs wait for, and what they have failed with."""
    settings = cast("Any", SETTINGS)
    with settings.lock:
        return [*settings.outputs]


async def await_outputs() -> None:
    """Wait until all outputs are there, or one has failed, which is then Pulumi's to tell.

    Left alone, Pulumi waits for the first of all that are missing, and then anew for the first of
    the rest: that takes time quadratic in outputs, half of a preview with thirty workers
    (pulumi/runtime/stack.py, ``wait_for_rpcs``; ``benchmarks/growth.py`` measures).
    """
    tasks = unsettled()
    while not any(map(_failed, tasks)):
        missing = [task for task in tasks if not task.done()]
        if not missing:
            return
        await asyncio.wait(missing, return_when=asyncio.FIRST_EXCEPTION)
        tasks = unsettled()


def _failed(task: asyncio.Task[object]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def main() -> None:
    """Declare the selected stack's resources.

    A stack's module is imported only when it is the one selected: it brings its cloud's SDK along.

    Raises:
        pulumi.RunError: the settings or the secrets are wrong, no stack has that name, or its
            cloud's SDK is not installed; the text says everything that is wrong. Nothing is
            planned then.
    """
    give_threads()
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
    pulumi.run(await_outputs)
