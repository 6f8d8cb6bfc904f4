"""What the engine's tests share: one undisturbed rehearsal, and one stack that is up."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from drill import HOME, fast_folder
from rehearsals import Rehearsed, rehearsal

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.rehearsal.world import World

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.engine import Outcome


@dataclass(frozen=True)
class Built:
    """A ``home`` that is up."""

    stage: Stage
    up: Outcome
    outputs: dict[str, Any]
    """Secrets in clear."""


@pytest.fixture(scope="session")
def rehearsed() -> Generator[Rehearsed]:
    """Rehearse the project's own ``home``."""
    with rehearsal("home", HOME) as found:
        yield found


@contextmanager
def built() -> Generator[Built]:
    """Bring up a ``home`` for a module's tests."""
    folder = fast_folder()
    try:
        with staged(Project("home", HOME, folder / "out"), World()) as stage:
            up = stage.engine.up()
            assert up.ok, f"the stack has to come up\n{up.output}"
            yield Built(stage, up, stage.engine.outputs(show_secrets=True))
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home() -> Generator[Built]:
    """Bring up a ``home``; the tests of a module share it and only plan on it."""
    with built() as found:
        yield found
