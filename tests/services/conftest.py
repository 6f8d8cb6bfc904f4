"""What the services' tests share: a cluster of real programs, and ``home`` or ``api`` on it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.reality import ApiServer
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.rehearsal.world import World
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.stacks import api_specs, home_specs
from tests.cluster.cluster import Cluster, given
from tests.cluster.stand_ins import edge_stand_ins, stand_ins
from tests.engine.drill import API, HOME, fast_folder
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path
    from types import ModuleType

    from ampere_infra.rehearsal.engine import Outcome

DEADLINE = 90
"""Seconds that a release may take: one that never gets ready takes all of them."""
MISSING = f"registry.invalid/no-such-image:1@sha256:{'0' * 64}"
"""No node can pull it; the node's part of it is played by a stage of kwok."""


@dataclass(frozen=True)
class Home:
    """A stack whose machines are modelled, and whose objects and releases are on a cluster."""

    stage: Stage
    cluster: Cluster
    server: ApiServer
    """The cluster as the double knows it."""
    file: Path = HOME
    """The stack file that is changed."""
    always: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Sections that are laid over its own."""

    def settle(self, **changes: dict[str, Any]) -> None:
        """Write the stack file with sections changed: ``services={"minio": {...}}``."""
        config: dict[str, Any] = dict(read_stack_file(self.file))
        for section, values in [*self.always.items(), *changes.items()]:
            name = f"ampere:{section}"
            config[name] = {**config.get(name, {}), **values}
        self.declare(config)

    def declare(self, config: Mapping[str, object]) -> None:
        """Write the stack file anew; releases have the tests' deadline."""
        timeouts = {"timeouts": {"release": DEADLINE}}
        self.stage.project.write({**config, "ampere:bootstrap": timeouts})

    def destroy(self, *options: str) -> Outcome:
        """Delete everything, protected or not, once the API server has all of it at hand."""
        self.stage.engine.unprotect()
        custom_objects_are_served(self.cluster)
        return self.stage.engine.destroy(*options)


def custom_objects_are_served(cluster: Cluster) -> None:
    """Ask for the objects of every definition until the API server has them at hand.

    It begins to read a definition's objects when somebody first asks for them. Where that is only
    who deletes the definition, it stays for the five minutes until the server looks at it again
    (https://github.com/operator-framework/operator-controller/issues/1437), one time in a hundred
    on a busy machine. A cluster's own controllers ask in their first half minute.
    """
    for each in cluster.api.items("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        spec = each["spec"]
        version = f"{spec['group']}/{spec['versions'][0]['name']}"
        kind = spec["names"]["kind"]
        await_true(partial(answers, cluster, version, kind), version)


def answers(cluster: Cluster, version: str, kind: str) -> bool:
    """Tell whether the API server has the objects of this kind at hand."""
    try:
        cluster.api.items(version, kind)
    except ApiError as error:
        if "storage is (re)initializing" in str(error):
            return False
        raise
    return True


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    """A cluster of real programs; the tests of a module share it."""
    with Cluster(given()) as running:
        yield running


@contextmanager
def home_on(cluster: Cluster) -> Generator[Home]:
    """Set the stage for ``home`` on ``cluster``."""
    with objects_alone(home_specs), temporary() as folder:
        charts = stand_ins(folder / "stand-ins", cluster.given.settings.versions)
        server = ApiServer(cluster.kubeconfig, charts)
        with staged(Project("home", HOME, folder / "out"), World(api_server=server)) as stage:
            found = Home(stage, cluster, server)
            found.settle()
            yield found


@contextmanager
def api_on(cluster: Cluster) -> Generator[Home]:
    """Set the stage for ``api`` on ``cluster``, whose nodes are ``home``'s, without protection."""
    with objects_alone(api_specs), temporary() as folder:
        versions = parse("api", dict(read_stack_file(API))).versions
        server = ApiServer(cluster.kubeconfig, edge_stand_ins(folder / "stand-ins", versions))
        with staged(Project("api", API, folder / "out"), World(api_server=server)) as stage:
            found = Home(stage, cluster, server, API, {"server": {"protect": False}})
            found.settle()
            yield found


@contextmanager
def temporary() -> Generator[Path]:
    """Make a folder that is gone afterwards."""
    folder = fast_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def objects_alone(specs: ModuleType) -> Generator[None]:
    """Let a stack's objects go one by one on destroy.

    By itself the program leaves them to the machine that they die with, and that one is modelled.
    """
    original = specs.target
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specs, "target", lambda *a: replace(original(*a), lifetime=None))
        yield
