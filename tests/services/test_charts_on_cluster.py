"""Our charts on a real API server: admitted, valid by its own schemas, installed and upgraded."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from home_cluster import ROOT

from ampere_infra import tools
from tests.cluster.stand_ins import OPERATOR, PLUGIN, definitions
from tests.tools.crd_schemas import strict
from tests.tools.rendered_charts import CASES, OURS, namespace_of, rendered, values_of
from tests.upstream import needs_upstream
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.cluster.cluster import Cluster


def helm(cluster: Cluster, *words: str, given: Any = None) -> str:
    done = subprocess.run(
        [tools.path("helm"), "--kubeconfig", str(cluster.kubeconfig), *words],
        input=json.dumps(given),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Cluster:
    """The cluster with the operators' definitions, and namespaces that are as closed as ours."""
    for text in [*definitions(OPERATOR).values(), *definitions(PLUGIN).values()]:
        done = cluster.kubectl("apply", "--server-side", "--filename", "-", stdin=text)
        assert done.returncode == 0, done.stderr
    done = cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd", "--all")
    assert done.returncode == 0, done.stderr
    for namespace in map(namespace_of, OURS):
        level = "privileged" if namespace == "local-path" else "restricted"
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
        thing = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": labels},
        }
        done = cluster.kubectl("apply", "--filename", "-", stdin=json.dumps(thing))
        assert done.returncode == 0, done.stderr
    return cluster


@pytest.fixture(scope="module")
def schemas(prepared: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The API server's own description of its objects, as kubeconform reads it, and strict."""
    folder = tmp_path_factory.mktemp("schemas")
    text = prepared.kubectl("get", "--raw", "/openapi/v2").stdout
    described: dict[str, Any] = strict(json.loads(text)["definitions"])
    described["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    everything = re.sub(r'"#/definitions/', '"all.json#/definitions/', json.dumps(described))
    (folder / "all.json").write_text(f'{{"definitions": {everything}}}', encoding="utf-8")
    for name, definition in described.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].partition(".")[0]
            parts = [kind["kind"].lower(), *([group] if group else []), kind["version"]]
            reference = {"$ref": f"all.json#/definitions/{name}"}
            (folder / f"{'-'.join(parts)}.json").write_text(json.dumps(reference))
    return folder


def rendered_text(name: str) -> str:
    return yaml.safe_dump_all(rendered(tools.path, name))


@pytest.mark.parametrize("name", CASES)
def test_the_servers_own_schemas_take_every_object(schemas, name):
    text = rendered_text(name)
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    done = subprocess.run(
        [
            *(tools.path("kubeconform"), "-strict", "-summary", "-output", "json"),
            *("-schema-location", location, "-"),
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0, told["resources"]
    count = len(rendered(tools.path, name))
    assert told["summary"] == {"valid": count, "invalid": 0, "errors": 0, "skipped": 0}


def try_out(cluster: Cluster, text: str) -> subprocess.CompletedProcess[str]:
    """Have the server judge objects as strictly as it can, and keep none."""
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict")
    return cluster.kubectl(*words, "--filename", "-", stdin=text)


@pytest.mark.parametrize("name", CASES)
def test_every_object_is_admitted_strictly_and_without_a_warning(prepared, name):
    done = try_out(prepared, rendered_text(name))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr


MISSPELT = [
    ("minio", "serviceName", "servicename"),
    ("postgresql backed-up", "isWALArchiver", "isWalArchiver"),
]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [MISSPELT[0], pytest.param(*MISSPELT[1], marks=needs_upstream)],
)
def test_a_misspelt_field_would_be_found(prepared, name, right, wrong):
    done = try_out(prepared, rendered_text(name).replace(right, wrong))
    assert done.returncode != 0
    assert wrong in done.stderr


@pytest.fixture(scope="module")
def volumes(prepared: Cluster) -> str:
    """A class of volumes such as the ``local-path`` chart makes, by another name."""
    thing = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "trial"},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    done = prepared.kubectl("apply", "--filename", "-", stdin=json.dumps(thing))
    assert done.returncode == 0, done.stderr
    return "trial"


@pytest.mark.parametrize("chart", OURS)
def test_a_chart_is_installed_upgraded_and_rolled_back(prepared, volumes, chart):
    namespace = ("--namespace", namespace_of(chart))
    wait = ("--wait", "--wait-for-jobs", "--timeout", "180s")
    before = values_of(chart)
    after = values_of(f"{chart} backed-up") if f"{chart} backed-up" in CASES else before
    after = {**after, "resources": {"limits": {"memory": "3Gi"}}}
    if chart == "minio":
        for values in (before, after):
            values["persistence"]["storageClass"] = volumes
    helm(
        *(prepared, "install", chart, f"charts/{chart}", *namespace, *wait, "--values", "-"),
        given=before,
    )
    helm(
        *(prepared, "upgrade", chart, f"charts/{chart}", *namespace, *wait, "--values", "-"),
        given=after,
    )
    helm(prepared, "rollback", chart, "1", *namespace, *wait)
    history = json.loads(helm(prepared, "history", chart, *namespace, "--output", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    helm(prepared, "uninstall", chart, *namespace, "--wait")


def test_a_restore_leaves_the_old_cluster_and_makes_the_new_one(prepared):
    namespace = ("--namespace", "postgresql")
    for words, name in (("install", "postgresql"), ("upgrade", "postgresql backed-up")):
        helm(
            *(prepared, words, "postgresql", "charts/postgresql", *namespace, "--values", "-"),
            given=values_of(name),
        )
    found = prepared.kubectl("get", "clusters.postgresql.cnpg.io", *namespace, "--output", "json")
    clusters = {item["metadata"]["name"]: item for item in json.loads(found.stdout)["items"]}
    assert sorted(clusters) == ["postgresql", "postgresql-2"]
    old = clusters["postgresql"]["metadata"]
    assert old["annotations"]["cnpg.io/hibernation"] == "on"
    assert old["generation"] == 2, "it is the very object that was there, with its volumes"
    helm(prepared, "uninstall", "postgresql", *namespace)


@pytest.fixture
def task(prepared: Cluster) -> Generator[dict[str, Any]]:
    """The pod of a dbt task, as the chart has it for Airflow's operators."""
    words = ("dbt", "charts/dbt", "--namespace", "airflow", "--values", "-")
    helm(prepared, "install", *words, given=values_of("dbt"))
    template = prepared.api.get("/api/v1/namespaces/airflow/configmaps/dbt-pod-template")
    assert template is not None
    yield yaml.safe_load(template["data"]["pod.yaml"])
    helm(prepared, "uninstall", "dbt", "--namespace", "airflow")


def test_the_pod_of_a_dbt_task_is_let_in_and_runs_to_its_end(prepared, task):
    judged = try_out(prepared, yaml.safe_dump(task))
    assert judged.returncode == 0, judged.stderr
    assert "Warning" not in judged.stderr, judged.stderr
    made = prepared.kubectl("create", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(task))
    assert made.returncode == 0, made.stderr
    await_true(lambda: prepared.api.read(task)["status"]["phase"] == "Succeeded", "it has ended")
    prepared.api.delete(task)


def test_a_pod_of_a_dbt_task_that_might_be_root_would_be_refused(prepared, task):
    task["spec"]["securityContext"]["runAsNonRoot"] = False
    judged = try_out(prepared, yaml.safe_dump(task))
    assert judged.returncode != 0
    assert 'violates PodSecurity "restricted:latest": runAsNonRoot' in judged.stderr
