"""The public side on a real API server: its objects, its keys, and its rolling update."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from edge_cluster import DIGEST, KEYS, custom_objects, recorded, settings
from home_cluster import NAMESPACE, POLICY, SECRET, plain

from ampere_infra import tools
from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from tests.cluster.cluster import MANAGER
from tests.tools.crd_schemas import definitions
from tests.tools.rendered_charts import edge_values_of, helm, whole
from tests.upstream import needs_upstream
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster

CORE = {
    NAMESPACE: "v1",
    "kubernetes:core/v1:ResourceQuota": "v1",
    "kubernetes:core/v1:LimitRange": "v1",
    "kubernetes:core/v1:ServiceAccount": "v1",
    SECRET: "v1",
    POLICY: "networking.k8s.io/v1",
}


def core_objects(type_: str) -> Iterator[dict[str, Any]]:
    """The objects of a built-in kind, as the program asks for them."""
    for inputs in recorded().of(type_).values():
        content = {key: value for key, value in whole(plain(inputs)).items() if key != "id"}
        yield {"apiVersion": CORE[type_], "kind": type_.rpartition(":")[2], **content}


@pytest.fixture(scope="module")
def edge(cluster: Cluster) -> Cluster:
    """The cluster with the edge's namespaces, and what of the edge it knows by itself."""
    for type_ in CORE:
        for thing in core_objects(type_):
            cluster.api.apply(thing, MANAGER)
    return cluster


@pytest.fixture(scope="module")
def defined(edge: Cluster) -> Cluster:
    """The same with the definitions of all kinds at the edge."""
    kinds = {item["kind"] for item in custom_objects(recorded())}
    names = [edge.api.apply(each, MANAGER)["metadata"]["name"] for each in definitions(kinds)]
    assert len(names) == len(kinds)
    for item in custom_objects(recorded()):
        await_true(lambda item=item: is_known(edge, item), f"{item['kind']} is served")
    return edge


def is_known(cluster: Cluster, item: dict[str, Any]) -> bool:
    try:
        cluster.api.resource(item["apiVersion"], item["kind"])
    except ApiError:
        return False
    return True


@needs_upstream
def test_every_object_is_admitted_and_a_second_time_changes_nothing(defined: Cluster):
    items = [whole(item) for item in custom_objects(recorded())]
    first = [defined.api.apply(item, MANAGER) for item in items]
    again = [defined.api.apply(item, MANAGER) for item in items]
    # A generation is of what is asked for; the definitions' defaults of the status are not.
    found = [
        [(one["metadata"]["generation"], one["spec"]) for one in each] for each in (first, again)
    ]
    assert found[0] == found[1]
    assert len(items) > 15


def spoil(item: dict[str, Any], name: str) -> dict[str, Any]:
    """``item`` with one thing that only its definition's own rules know to be wrong."""
    spec = item["spec"]
    if name == "api-api-key":
        spec["apiKeyAuth"]["extractFrom"] = [{"headers": ["x"], "params": ["y"]}]
    elif name == "api-jwt":
        spec["targetRefs"][0]["kind"] = "Service"
    elif name == "public":
        spec["listeners"][2]["hostname"] = spec["listeners"][1]["hostname"]
    elif name == "https":
        spec["targetRefs"][0]["kind"] = "HTTPRoute"
    return item


@needs_upstream
@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("SecurityPolicy", "api-api-key", "exactly one of headers, params, or cookies"),
        ("SecurityPolicy", "api-jwt", "targetRefs[*].kind"),
        ("Gateway", "public", "Combination of port, protocol and hostname must be unique"),
        ("ClientTrafficPolicy", "https", "targetRefs[*].kind"),
    ],
)
def test_the_definitions_own_rules_are_in_force(defined: Cluster, kind: str, name: str, said: str):
    (item,) = [
        whole(item)
        for item in custom_objects(recorded())
        if (item["kind"], item["metadata"]["name"]) == (kind, name)
    ]
    with pytest.raises(ApiError) as refused:
        defined.api.apply(spoil(item, name), MANAGER, dry_run=True)
    assert said in str(refused.value)


def clients(edge: Cluster) -> set[str]:
    (secret,) = [each for each in core_objects(SECRET) if each["metadata"]["name"] == "api-clients"]
    found = edge.api.read(secret)
    assert found is not None
    return set(found["data"])


def test_a_revoked_key_leaves_the_cluster(edge: Cluster):
    (secret,) = [each for each in core_objects(SECRET) if each["metadata"]["name"] == "api-clients"]
    assert clients(edge) == set(KEYS)
    del secret["data"]["acme"]
    edge.api.apply(secret, MANAGER)
    assert clients(edge) == {"mobile"}
    secret["data"]["partner"] = base64.b64encode(b"one more").decode()
    edge.api.apply(secret, MANAGER)
    assert clients(edge) == {"mobile", "partner"}


def test_with_string_data_it_would_stay(edge: Cluster):
    (secret,) = [each for each in core_objects(SECRET) if each["metadata"]["name"] == "api-clients"]
    secret["metadata"] = {**secret["metadata"], "name": "trial"}
    data = secret.pop("data")
    edge.api.apply({**secret, "stringData": dict.fromkeys(data, "x")}, MANAGER)
    edge.api.apply({**secret, "stringData": {"mobile": "x"}}, MANAGER)
    found = edge.api.read(secret)
    assert found is not None
    assert "acme" in found["data"], "this is why the program writes data"


@contextmanager
def watched(edge: Cluster, namespace: str, log: Path) -> Generator[None]:
    """Write each change of the namespace's pods to ``log``, in order."""
    command = [tools.path("kubectl"), "--kubeconfig", edge.kubeconfig, "--namespace", namespace]
    command += ["get", "pods", "--watch", "--output-watch-events", "--output=json"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file)
        try:
            await_true(lambda: log.stat().st_size > 0, "the watch has begun")
            yield
        finally:
            process.terminate()
            process.wait()


def counts(log: Path) -> list[int]:
    """How many pods were ready after each change."""
    decoder, text = json.JSONDecoder(), log.read_text(encoding="utf-8")
    ready: dict[str, bool] = {}
    found: list[int] = []
    at = 0
    while at < len(text.rstrip()):
        event, end = decoder.raw_decode(text, at)
        at = end + len(text[end:]) - len(text[end:].lstrip())
        pod = event["object"]
        gone = event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]
        ready[pod["metadata"]["name"]] = not gone and is_ready(pod)
        found.append(sum(ready.values()))
    return found


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def templates(name: str, digest: str) -> list[dict[str, Any]]:
    """The chart's objects for the image with that digest."""
    values = edge_values_of(name)
    values["image"] = values["image"].replace(DIGEST, digest)
    arguments = ("template", name, f"charts/{name}", "--namespace", name)
    result = helm(tools.path, *arguments, values=values)
    assert result.returncode == 0, result.stderr
    return [item for item in yaml.safe_load_all(result.stdout) if item]


def deployment_of(items: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [item for item in items if item["kind"] == "Deployment"]
    return found


def update(edge: Cluster, name: str, items: list[dict[str, Any]], log: Path) -> list[int]:
    """Apply ``items`` over what runs; return how many pods were ready after each change."""
    with watched(edge, name, log):
        for item in items:
            edge.api.apply(item, MANAGER)
        await_true(lambda: is_rolled_out(edge, deployment_of(items)), "the new pods took over")
    # The watch begins with the pods that are there, one after the other.
    found = counts(log)[settings().api.replicas - 1 :]
    assert len(found) > 2 * settings().api.replicas, "the change was seen"
    return found


@pytest.mark.parametrize("name", ["api", "website"])
def test_a_new_digest_never_leaves_fewer_pods_ready(edge: Cluster, name: str, tmp_path: Path):
    for item in templates(name, DIGEST):
        edge.api.apply(item, MANAGER)
    old = deployment_of(templates(name, DIGEST))
    await_true(lambda: is_rolled_out(edge, old), "the first pods are ready")
    found = update(edge, name, templates(name, DIGEST.replace("0123", "3210")), tmp_path / "log")
    assert min(found) >= settings().api.replicas, found


def test_an_update_that_takes_pods_away_first_would_be_noticed(edge: Cluster, tmp_path: Path):
    items = templates("website", DIGEST.replace("0123", "2222"))
    careless = {"maxUnavailable": 1, "maxSurge": 0}
    deployment_of(items)["spec"]["strategy"]["rollingUpdate"] = careless
    found = update(edge, "website", items, tmp_path / "log")
    assert min(found) < settings().website.replicas, found


def is_rolled_out(edge: Cluster, deployment: dict[str, Any]) -> bool:
    """Whether all pods are of the deployment's image and ready, and no others are left."""
    found = edge.api.read(deployment)
    assert found is not None
    status, wanted = found["status"], found["spec"]["replicas"]

    def image(of: dict[str, Any]) -> str:
        return of["spec"]["template"]["spec"]["containers"][0]["image"]

    return (
        image(found) == image(deployment)
        and status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("availableReplicas") == wanted
        and status.get("replicas") == wanted
    )
