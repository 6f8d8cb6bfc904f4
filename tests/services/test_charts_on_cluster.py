"""Our charts on a real API server: admitted, valid by its own schemas, installed and upgraded."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from home_cluster import ROOT, backed_up, plain, recorded

from ampere_infra import tools

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

UPSTREAM = ROOT.parent / "shared/upstream"
DEFINITIONS = sorted(
    [
        *UPSTREAM.glob("cloudnative-pg-*/crds/postgresql.cnpg.io_*s.yaml"),
        *UPSTREAM.glob("cloudnative-pg-*/crds/barmancloud.cnpg.io_*.yaml"),
    ]
)
pytestmark = pytest.mark.skipif(not DEFINITIONS, reason="the folder of upstream schemas is missing")

CHARTS = {
    "dbt": "airflow",
    "local-path": "local-path",
    "minio": "minio",
    "postgresql": "postgresql",
}
"""Each chart's namespace."""


def values_of(release: str, *, backup: bool) -> dict[str, Any]:
    """The values of the program, with whole numbers where the engine's mocks have floats."""
    recorder = backed_up() if backup else recorded()
    text = json.dumps(plain(recorder.release(release)["values"]))
    return json.loads(re.sub(r"(?<=\d)\.0(?=[,}\]])", "", text))


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
    for file in DEFINITIONS:
        done = cluster.kubectl("apply", "--server-side", "--filename", str(file))
        assert done.returncode == 0, done.stderr
    done = cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd", "--all")
    assert done.returncode == 0, done.stderr
    for namespace in CHARTS.values():
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
    definitions: dict[str, Any] = json.loads(text)["definitions"]
    for definition in definitions.values():
        strict(definition)
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    everything = re.sub(r'"#/definitions/', '"all.json#/definitions/', json.dumps(definitions))
    (folder / "all.json").write_text(f'{{"definitions": {everything}}}', encoding="utf-8")
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].partition(".")[0]
            parts = [kind["kind"].lower(), *([group] if group else []), kind["version"]]
            reference = {"$ref": f"all.json#/definitions/{name}"}
            (folder / f"{'-'.join(parts)}.json").write_text(json.dumps(reference))
    return folder


def strict(schema: Any) -> None:
    """Have ``schema`` refuse the keys that it does not name."""
    if isinstance(schema, dict):
        free = "additionalProperties" in schema or schema.get(
            "x-kubernetes-preserve-unknown-fields"
        )
        if isinstance(schema.get("properties"), dict) and not free:
            schema["additionalProperties"] = False
        for value in schema.values():
            strict(value)
    if isinstance(schema, list):
        for value in schema:
            strict(value)


def rendered(cluster: Cluster, chart: str, *, backup: bool) -> str:
    words = ("template", chart, f"charts/{chart}", "--namespace", CHARTS[chart], "--values", "-")
    return helm(cluster, *words, given=values_of(chart, backup=backup))


CASES = [*((chart, False) for chart in CHARTS), ("minio", True), ("postgresql", True)]


@pytest.mark.parametrize(("chart", "backup"), CASES)
def test_the_servers_own_schemas_take_every_object(prepared, schemas, chart, backup):
    text = rendered(prepared, chart, backup=backup)
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
    count = len([item for item in yaml.safe_load_all(text) if item])
    assert told["summary"] == {"valid": count, "invalid": 0, "errors": 0, "skipped": 0}


@pytest.mark.parametrize(("chart", "backup"), CASES)
def test_every_object_is_admitted_strictly_and_without_a_warning(prepared, chart, backup):
    text = rendered(prepared, chart, backup=backup)
    done = prepared.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename", "-"),
        stdin=text,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr


def test_a_misspelt_field_would_be_found(prepared, schemas):
    text = rendered(prepared, "postgresql", backup=True).replace("isWALArchiver", "isWalArchiver")
    done = prepared.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename", "-"),
        stdin=text,
    )
    assert done.returncode != 0
    assert "isWalArchiver" in done.stderr


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


@pytest.mark.parametrize("chart", list(CHARTS))
def test_a_chart_is_installed_upgraded_and_rolled_back(prepared, volumes, chart):
    namespace = ("--namespace", CHARTS[chart])
    wait = ("--wait", "--wait-for-jobs", "--timeout", "180s")
    before = values_of(chart, backup=False)
    after = values_of(chart, backup=True) if chart in ("minio", "postgresql") else before
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
    for words, backup in (("install", False), ("upgrade", True)):
        helm(
            *(prepared, words, "postgresql", "charts/postgresql", *namespace, "--values", "-"),
            given=values_of("postgresql", backup=backup),
        )
    found = prepared.kubectl("get", "clusters.postgresql.cnpg.io", *namespace, "--output", "json")
    clusters = {item["metadata"]["name"]: item for item in json.loads(found.stdout)["items"]}
    assert sorted(clusters) == ["postgresql", "postgresql-2"]
    old = clusters["postgresql"]["metadata"]
    assert old["annotations"]["cnpg.io/hibernation"] == "on"
    assert old["generation"] == 2, "it is the very object that was there, with its volumes"
    helm(prepared, "uninstall", "postgresql", *namespace)
