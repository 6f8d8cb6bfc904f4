"""The test cluster itself: what runs in it is real, but for its nodes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from tests.cluster.cluster import MANAGER
from tests.waiting import await_true

NAMESPACE = "trial"
LABELS = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "warn")}
"""Without them only restricted pods are let in."""
POD = {
    "automountServiceAccountToken": False,
    "containers": [{"name": "main", "image": "registry.invalid/main:1"}],
}
TEMPLATE = {"metadata": {"labels": {"app": "trial"}}, "spec": POD}
SELECTOR = {"matchLabels": {"app": "trial"}}


@pytest.fixture
def namespace(cluster):
    """A namespace of a test's own."""
    thing = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": LABELS},
    }
    cluster.api.apply(thing, MANAGER)
    yield NAMESPACE
    cluster.api.delete(thing)
    await_true(lambda: cluster.api.read(thing) is None, "the namespace is gone")


def thing(api_version, kind, **content: Any) -> dict[str, Any]:
    metadata = {"name": "trial", "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def test_its_nodes_are_those_of_the_settings(cluster):
    await_true(
        lambda: all(
            {"type": "Ready", "status": "True"}.items() <= condition.items()
            for node in cluster.api.items("v1", "Node")
            for condition in node["status"].get("conditions", [{}])
            if condition.get("type") in (None, "Ready")
        ),
        "the nodes are ready",
    )
    found = {node["metadata"]["name"]: node for node in cluster.api.items("v1", "Node")}
    settings = cluster.given.settings
    machines = [settings.control_plane, *settings.workers.machines]
    assert found.keys() == {machine.name for machine in machines}
    for machine in machines:
        assert found[machine.name]["status"]["capacity"]["cpu"] == str(machine.vcpu)


def test_deployments_stateful_sets_and_jobs_become_ready(cluster, namespace):
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    storage = thing(
        "storage.k8s.io/v1",
        "StorageClass",
        provisioner="rancher.io/local-path",
        volumeBindingMode="WaitForFirstConsumer",
    )
    storage["metadata"] = {"name": "local"}
    sets = {"selector": SELECTOR, "template": TEMPLATE}
    job = {"template": {"spec": {**POD, "restartPolicy": "OnFailure"}}}
    stateful = {**sets, "serviceName": "trial", "volumeClaimTemplates": [claim]}
    wanted = [
        storage,
        thing("apps/v1", "Deployment", spec={**sets, "replicas": 2}),
        thing("apps/v1", "StatefulSet", spec=stateful),
        thing("batch/v1", "Job", spec=job),
    ]
    for each in wanted:
        cluster.api.apply(each, MANAGER)

    def ready():
        deployment, stateful, job = (cluster.api.read(each)["status"] for each in wanted[1:])
        return (
            deployment.get("readyReplicas") == 2
            and stateful.get("readyReplicas") == 1
            and job.get("succeeded") == 1
        )

    await_true(ready, "a Deployment, a StatefulSet with a volume, and a Job")


def test_a_field_that_kubernetes_does_not_know_is_refused(cluster, namespace):
    wrong = {"selector": SELECTOR, "template": TEMPLATE, "replicaz": 2}
    with pytest.raises(ApiError, match="replicaz"):
        cluster.api.apply(thing("apps/v1", "Deployment", spec=wrong), MANAGER)


def test_what_the_server_warns_of_is_heard(cluster, namespace):
    before = len(cluster.api.warnings)
    backend = {"service": {"name": "trial", "port": {"number": 80}}}
    old = thing("networking.k8s.io/v1", "Ingress", spec={"defaultBackend": backend})
    old["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    cluster.api.apply(old, MANAGER)
    assert "ingress.class" in cluster.api.warnings[before]
    del cluster.api.warnings[before:]


def test_pod_security_is_enforced(cluster, namespace):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space = {"apiVersion": "v1", "kind": "Namespace"}
    cluster.api.apply({**space, "metadata": {"name": NAMESPACE, "labels": labels}}, MANAGER)
    with pytest.raises(ApiError, match="violates PodSecurity"):
        cluster.api.apply(thing("v1", "Pod", spec=POD), MANAGER)


def test_etcd_can_be_read_past_the_api_server(cluster, namespace):
    secret = thing("v1", "Secret", stringData={"key": "canary"})
    cluster.api.apply(secret, MANAGER)
    stored = cluster.stored(f"/registry/secrets/{NAMESPACE}/")
    assert set(stored) == {f"/registry/secrets/{NAMESPACE}/trial"}


def test_parts_can_be_killed_and_started_again(cluster, namespace):
    server = cluster.processes["kube-apiserver"]
    server.kill()
    with pytest.raises(ApiError, match="refused"):
        cluster.api.get("/api/v1/namespaces")
    server.start()
    server.await_answer()
    names = [each["metadata"]["name"] for each in cluster.api.items("v1", "Namespace")]
    assert NAMESPACE in names, "etcd has it"


def test_a_part_that_ends_by_itself_comes_back(cluster, namespace):
    manager = cluster.processes["kube-controller-manager"]
    manager.running.kill()
    job = thing("batch/v1", "Job", spec={"template": {"spec": {**POD, "restartPolicy": "Never"}}})
    cluster.api.apply(job, MANAGER)
    await_true(lambda: cluster.api.read(job)["status"].get("succeeded") == 1, "the Job is done")


def test_the_api_server_has_the_flags_that_the_program_renders(cluster):
    config = list(yaml.safe_load_all(cluster.given.config))
    (wanted,) = [part for part in config if part["kind"] == "ClusterConfiguration"]
    flags = cluster.processes["kube-apiserver"].flags
    assert flags["service-cluster-ip-range"] == wanted["networking"]["serviceSubnet"]
    for extra in wanted["apiServer"].get("extraArgs", []):
        assert flags[extra["name"]].endswith(extra["value"])
