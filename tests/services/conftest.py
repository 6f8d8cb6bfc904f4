"""What the services' tests share: a cluster of real programs, and ``home`` on it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.reality import ApiServer
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.rehearsal.world import World
from ampere_infra.settings.load import read_stack_file
from ampere_infra.stacks import home_specs
from tests.cluster.cluster import Cluster, given
from tests.cluster.stand_ins import stand_ins
from tests.engine.drill import HOME, fast_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

DEADLINE = 90
"""Seconds that a release may take: one that never gets ready takes all of them."""
MISSING = f"registry.invalid/no-such-image:1@sha256:{'0' * 64}"
"""No node can pull it; the node's part of it is played by a stage of kwok."""


@dataclass(frozen=True)
class Home:
    """A ``home`` whose machines are modelled, and whose objects and releases are on a cluster."""

    stage: Stage
    cluster: Cluster
    server: ApiServer
    """The cluster as the double knows it."""

    def settle(self, **changes: dict[str, Any]) -> None:
        """Write the stack file with sections changed: ``services={"minio": {...}}``."""
        config: dict[str, Any] = dict(read_stack_file(HOME))
        for section, values in changes.items():
            name = f"ampere:{section}"
            config[name] = {**config.get(name, {}), **values}
        self.declare(config)

    def declare(self, config: Mapping[str, object]) -> None:
        """Write the stack file anew; releases have the tests' deadline."""
        timeouts = {"timeouts": {"release": DEADLINE}}
        self.stage.project.write({**config, "ampere:bootstrap": timeouts})


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    """A cluster of real programs; the tests of a module share it."""
    with Cluster(given()) as running:
        yield running


@contextmanager
def home_on(cluster: Cluster) -> Generator[Home]:
    """Set the stage for ``home`` on ``cluster``.

    On destroy its objects go one by one. By itself the program leaves them to the machine that
    they die with, and that one is modelled.
    """
    folder = fast_folder()
    original = home_specs.target
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(home_specs, "target", lambda *a: replace(original(*a), lifetime=None))
            charts = stand_ins(folder / "stand-ins", cluster.given.settings.versions)
            server = ApiServer(cluster.kubeconfig, charts)
            world = World(api_server=server)
            with staged(Project("home", HOME, folder / "out"), world) as stage:
                found = Home(stage, cluster, server)
                found.settle()
                yield found
    finally:
        shutil.rmtree(folder)
