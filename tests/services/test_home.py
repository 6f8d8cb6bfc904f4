"""The life of ``home`` on a real API server: up, again, one change, a bad one, and back."""

from __future__ import annotations

import subprocess

import pytest

from ampere_infra import tools
from ampere_infra.services import postgresql
from tests.services.conftest import MISSING, home_on
from tests.upstream import needs_upstream
from tests.waiting import await_true


@pytest.fixture(scope="module")
def up(cluster):
    """A ``home`` that is up; each test leaves it as it was declared at first."""
    with home_on(cluster) as found:
        first = found.stage.engine.up()
        assert first.ok, first.output
        yield found


def revisions(home) -> dict[str, str]:
    """Return the latest revision of each release, by its namespace and name."""
    found: dict[str, str] = {}
    for record in home.cluster.api.items("v1", "Secret", labelSelector="owner=helm"):
        labels = record["metadata"]["labels"]
        name = f"{record['metadata']['namespace']}/{labels['name']}"
        found[name] = max(found.get(name, ""), labels["version"])
    return found


def statuses(home, release) -> list[str]:
    """Return what Helm records of a release's revisions, in order."""
    records = home.cluster.api.items("v1", "Secret", labelSelector=f"owner=helm,name={release}")
    labels = [record["metadata"]["labels"] for record in records]
    return [each["status"] for each in sorted(labels, key=lambda each: int(each["version"]))]


def test_everything_is_admitted_and_the_server_warns_of_nothing(up):
    assert up.stage.world.warnings == []
    assert set(revisions(up)) == {
        *("kube-system/cilium", "local-path-storage/local-path", "cnpg-system/cloudnative-pg"),
        *("postgresql/postgresql", "minio/minio", "airflow/airflow", "airflow/dbt"),
    }


def test_pods_run_in_namespaces_that_enforce_pod_security(up):
    label = "pod-security.kubernetes.io/enforce"
    spaces = up.cluster.api.items("v1", "Namespace", labelSelector=label)
    levels = {each["metadata"]["name"]: each["metadata"]["labels"][label] for each in spaces}
    assert [name for name in levels if levels[name] != "restricted"] == ["local-path-storage"]
    pods = up.cluster.api.items("v1", "Pod")
    homes = {pod["metadata"]["namespace"] for pod in pods}
    assert homes == {"local-path-storage", "minio", "postgresql", "airflow"}
    phases = {pod["status"]["phase"] for pod in pods}
    assert phases == {"Running", "Succeeded"}, "the scheduler found room for each on our nodes"


def refused(cluster) -> list[str]:
    """Return what Pod Security let nobody make, as the makers' events tell it."""
    found = cluster.api.items("v1", "Event", fieldSelector="reason=FailedCreate")
    return [each["message"] for each in found if "PodSecurity" in each["message"]]


def denied(cluster) -> tuple[int, list[str]]:
    """Return what Pod Security denied, to enforce, to warn or to note, and what came of it."""
    metric = "pod_security_evaluations_total"
    assert cluster.counted(metric, decision="allow") > 0, "it was asked"
    return cluster.counted(metric, decision="deny"), refused(cluster)


def test_pod_security_denied_nothing(up):
    assert denied(up.cluster) == (0, [])


def test_a_second_up_changes_nothing_not_even_after_a_refresh(up):
    engine = up.stage.engine
    again = engine.up()
    assert (again.code, again.changed) == (0, 0), again.output
    read = engine.refresh()
    assert (read.code, read.changed) == (0, 0), read.output
    after = engine.up()
    assert (after.code, after.changed) == (0, 0), after.output


def test_only_the_release_whose_value_changed_is_upgraded(up):
    before = revisions(up)
    up.settle(services={"postgresql": {"storage": "12GiB"}})
    changed = up.stage.engine.up()
    assert changed.ok, changed.output
    after = revisions(up)
    assert {name for name in after if after[name] != before[name]} == {"postgresql/postgresql"}
    live = up.cluster.kubectl(
        *("get", "clusters.postgresql.cnpg.io", "-n", "postgresql", "postgresql"),
        *("-o", "jsonpath={.spec.storage.size}"),
    )
    assert live.stdout == "12Gi"
    up.settle()
    assert up.stage.engine.up().ok


def test_an_upgrade_that_never_gets_ready_names_the_pod_and_is_rolled_back_by_the_old_settings(up):
    up.settle(images={"minio": MISSING})
    broken = up.stage.engine.up()
    assert not broken.ok
    said = "\n".join(broken.errors)
    reason = "pod minio/minio-0 is not ready: container server: ImagePullBackOff"
    assert f"release minio: {reason}: Back-off pulling image" in said
    assert "no-such-image" in said, "which image it is"
    assert statuses(up, "minio")[-1] == "failed"
    up.settle()
    back = up.stage.engine.up()
    assert back.ok, back.output
    assert statuses(up, "minio")[-1] == "deployed"
    pod = up.cluster.api.get("/api/v1/namespaces/minio/pods/minio-0")
    assert "no-such-image" not in pod["spec"]["containers"][0]["image"]
    again = up.stage.engine.up()
    assert (again.code, again.changed) == (0, 0), again.output


def test_an_interrupted_upgrade_is_healed_by_the_next_up(up):
    program = [tools.path("helm"), "upgrade", "minio", "charts/minio", "--namespace", "minio"]
    options = ["--reuse-values", "--set", f"image={MISSING}", "--wait", "--timeout", "10m"]
    login = ["--kubeconfig", up.cluster.kubeconfig]
    with subprocess.Popen(
        [*program, *options, *login], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        await_true(lambda: statuses(up, "minio")[-1] == "pending-upgrade", "Helm is under way")
        process.kill()
    assert statuses(up, "minio")[-1] == "pending-upgrade", "and Helm refuses every further step"
    up.settle(services={"minio": {"storage": "50GiB"}, "node_ports": {"s3": 30911}})
    healed = up.stage.engine.up()
    assert healed.ok, healed.output
    assert statuses(up, "minio")[-1] == "deployed"
    up.settle()
    assert up.stage.engine.up().ok


@needs_upstream
def test_a_wrong_value_of_an_upstream_chart_is_refused_before_its_release_is_touched(
    up, monkeypatch
):
    right = postgresql.operator_values
    monkeypatch.setattr(postgresql, "operator_values", lambda: {**right(), "replicaCount": "one"})
    before = revisions(up), statuses(up, "cloudnative-pg")
    refused = up.stage.engine.up()
    assert not refused.ok
    assert "replicaCount" in "\n".join(refused.errors), "it says which value"
    assert (revisions(up), statuses(up, "cloudnative-pg")) == before
    monkeypatch.undo()
    assert up.stage.engine.up().ok


def test_after_all_of_it_the_server_has_warned_of_nothing_and_denied_nothing(up):
    assert up.stage.world.warnings == []
    assert denied(up.cluster) == (0, [])
