"""A whole rehearsal set up: a project's folder, the world's doubles and the engine between them."""

from __future__ import annotations

import contextlib
import os
import runpy
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra import tools
from ampere_infra.rehearsal.doubles import serve
from ampere_infra.rehearsal.engine import Engine, Program
from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.world import World

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

TOOLS = ("pulumi", "sops", "age-keygen")
"""What a rehearsal runs."""


@dataclass(frozen=True)
class Stage:
    """What a rehearsal acts on."""

    project: Project
    world: World
    engine: Engine


def real_program() -> None:
    """Run the project's ``__main__.py``, as ``pulumi up`` does."""
    runpy.run_path(str(SOURCE / "__main__.py"), run_name="__main__")


@contextmanager
def staged(
    project: Project,
    world: World | None = None,
    program: Program = real_program,
    *,
    checkpoints: bool = False,
) -> Generator[Stage]:
    """Set the stage: the stack exists and is empty; nothing of it is left when the context ends.

    The process's working directory is the project's folder meanwhile, as it is for a program that
    ``pulumi`` runs.
    """
    world = world or World()
    with ExitStack() as stack:
        stack.enter_context(project)
        world.canaries.update(project.secrets.values())
        providers = stack.enter_context(serve(world))
        stack.enter_context(contextlib.chdir(project.root))
        stack.enter_context(environment(project.environment))
        engine = Engine(
            pulumi=tools.path("pulumi"),
            project=project.root,
            state=project.state,
            stack=project.stack,
            program=program,
            providers=providers,
            logs=project.logs,
            checkpoints=checkpoints,
        )
        stack.enter_context(engine)
        engine.init()
        yield Stage(project, world, engine)


@contextmanager
def environment(values: Mapping[str, str]) -> Generator[None]:
    """Set environment variables of this process for as long as the context lasts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def default_folder(stack: str) -> Path:
    """Where the files of a rehearsal lie if the user names no folder."""
    return SOURCE / ".ampere" / "rehearsal" / stack
