"""A new image behind the gateway, in the real engine: one release in the plan, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from drill import HOME, fast_folder
from edge_cluster import DIGEST, KEYS, STRONG, deploy, settings
from test_doubles_kubernetes import KUBECONFIG

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.stage import Stage
    from ampere_infra.settings.api import ApiSettings

RELEASE, SECRET = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:Secret"


class Edge:
    """The public side alone, on a cluster that is there already."""

    def __init__(self) -> None:
        self.settings: ApiSettings = settings()
        self.keys = dict(KEYS)
        self.stage: Stage

    def program(self) -> None:
        deploy(self.settings, self.keys)

    def plan(self) -> list[tuple[str, str, str]]:
        outcome = self.stage.engine.preview()
        assert outcome.ok, outcome.output
        changes = outcome.events.changes
        return [(step.op, step.type, step.name) for step in changes]


@pytest.fixture(scope="module")
def up() -> Generator[Edge]:
    folder, edge = fast_folder(), Edge()
    try:
        project = Project("home", HOME, folder / "out")
        with staged(project, World(), edge.program) as stage:
            # As platform/provider.py sets it up, but for the default provider.
            kubeconfig = yaml.safe_dump(KUBECONFIG)
            project.write(
                {"kubernetes:kubeconfig": kubeconfig, "kubernetes:enableSecretMutable": "true"}
            )
            edge.stage = stage
            outcome = stage.engine.up()
            assert outcome.ok, outcome.output
            yield edge
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def edge(up: Edge) -> Generator[Edge]:
    yield up
    up.settings, up.keys = settings(), dict(KEYS)


def test_a_second_run_changes_nothing(edge: Edge):
    assert edge.plan() == []


@pytest.mark.parametrize("name", ["api", "website"])
def test_another_digest_is_an_update_of_one_release(edge: Edge, name: str):
    image = getattr(edge.settings, name).image.replace(DIGEST[-4:], "0000")
    edge.settings = settings(**{name: {"image": image}})
    assert edge.plan() == [("update", RELEASE, name)]


def test_a_key_that_comes_or_goes_is_an_update_of_one_secret(edge: Edge):
    edge.keys = {"mobile": KEYS["mobile"], "partner": f"canary-another-{STRONG}"}
    assert edge.plan() == [("update", SECRET, "api-clients")]


def test_another_authority_replaces_the_issuer_and_renews_the_certificates(edge: Edge):
    edge.settings = settings(certificates={"authority": "production"})
    found = {(op, name) for op, _, name in edge.plan()}
    assert ("create", "clusterissuer-letsencrypt-production") in found
    assert ("delete", "clusterissuer-letsencrypt-staging") in found
    assert ("update", "certificate-tls-api") in found
    assert not any("gateway-public" in name or "httproute" in name for _, name in found)
