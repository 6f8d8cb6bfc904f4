"""The life of ``api`` on a real API server: up, again, a new digest, and back."""

from __future__ import annotations

from typing import Any

import pytest

from ampere_infra.settings.load import read_stack_file
from tests.cluster.stand_ins import EDGE
from tests.engine.drill import API
from tests.services.conftest import api_on
from tests.services.test_home import denied, revisions
from tests.upstream import needs_upstream

pytestmark = needs_upstream
RELEASES = {
    *("kube-system/cilium", "local-path-storage/local-path", "cert-manager/cert-manager"),
    *("envoy-gateway-system/envoy-gateway", "api/api", "website/website"),
}
SITES = ("api", "website")
OF_CILIUM = 'unrecognized format \\"idn-hostname\\"'
"""What the API server says of the definitions that Cilium publishes, not of anything of ours."""
STACK: dict[str, Any] = dict(read_stack_file(API))
IMAGE: str = STACK["ampere:website"]["image"]
NEW = f"{IMAGE.partition('@')[0]}@sha256:{'3210' * 16}"


@pytest.fixture(scope="module")
def up(cluster):
    """An ``api`` that is up; the tests use it in their order, and the last one takes it down."""
    with api_on(cluster) as found:
        first = found.stage.engine.up()
        assert first.ok, first.output
        yield found


def warnings(api) -> list[str]:
    """Return what the server has warned of, beside what is upstream's own."""
    return [each for each in api.stage.world.warnings if OF_CILIUM not in each]


def test_everything_is_admitted_and_the_server_warns_of_nothing(up):
    assert warnings(up) == []
    assert set(revisions(up)) == RELEASES


def test_pods_run_in_their_namespaces_and_pod_security_denied_nothing(up):
    pods = up.cluster.api.items("v1", "Pod")
    assert {pod["metadata"]["namespace"] for pod in pods} == {"local-path-storage", *SITES}
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert denied(up.cluster) == (0, [])


def test_a_second_up_changes_nothing_not_even_after_a_refresh(up):
    engine = up.stage.engine
    again = engine.up()
    assert (again.code, again.changed) == (0, 0), again.output
    read = engine.refresh()
    assert (read.code, read.changed) == (0, 0), read.output
    after = engine.preview()
    assert (after.code, after.changed) == (0, 0), after.output


def test_a_new_digest_upgrades_that_release_and_nothing_else(up):
    before = revisions(up)
    up.settle(website={"image": NEW})
    changed = up.stage.engine.up()
    assert changed.ok, changed.output
    assert [(step.op, step.name) for step in changed.events.changes] == [("update", "website")]
    after = revisions(up)
    assert {name for name in after if after[name] != before[name]} == {"website/website"}
    live = up.cluster.api.items("apps/v1", "Deployment", "website")
    images = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in live]
    assert images == [NEW]
    assert warnings(up) == []
    assert denied(up.cluster) == (0, [])


def test_a_destroy_leaves_none_of_its_objects(up):
    gone = up.destroy()
    assert gone.ok, gone.output
    assert revisions(up) == {}
    spaces = {each["metadata"]["name"] for each in up.cluster.api.items("v1", "Namespace")}
    assert spaces == {"default", "kube-node-lease", "kube-public", "kube-system"}
    definitions = up.cluster.api.items("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    names = [each["metadata"]["name"] for each in definitions]
    assert len(names) == sum(map(len, EDGE.values())), "the definitions stay, as upstream's do"
    for name in names:
        left = up.cluster.kubectl("get", name, "--all-namespaces", "--output=name")
        assert (left.returncode, left.stdout) == (0, "")
