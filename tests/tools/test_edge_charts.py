"""The charts of API and website, and every object at the edge, judged by real programs."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from crd_schemas import write_schemas
from edge_cluster import DIGEST, custom_objects, record, recorded, settings
from home_cluster import ROOT
from jsonschema.validators import validator_for
from rendered_charts import (
    edge_values_of,
    helm,
    of,
    open_objects,
    pods,
    requests,
    restricted,
    size,
    thousandths,
    unknown_keys,
    whole,
)

from ampere_infra.platform import metadata
from ampere_infra.rehearsal.doubles.schema import faults, shape_of
from ampere_infra.settings.quotas import allowance
from tests.upstream import needs_upstream, upstream_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    Tool = Callable[[str], Path]

CHARTS = ["api", "website"]
VARIANTS = {
    "as they are": settings(),
    "keys alone": settings(api={"jwt": ()}),
    "production by DNS": settings(
        certificates={"authority": "production", "challenge": "cloudflare"}
    ),
    "everything changed": settings(
        gateway={
            "request_size": "512MiB",
            "requests_per_minute": 1,
            "request_timeout": 3600,
            "hsts_days": 730,
        },
        api={"max_replicas": 9, "port": 9090, "health_path": "/h", "ready_path": "/r"},
        website={"replicas": 1, "max_replicas": 3},
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where kubeconform finds the definitions of all kinds at the edge."""
    kinds = {item["kind"] for item in custom_objects(recorded())}
    return write_schemas(tmp_path_factory.mktemp("schemas"), kinds)


@cache
def rendered(helm_program: Path, name: str, variant: str) -> list[dict[str, Any]]:
    result = helm(
        lambda _: helm_program,
        *("template", name, f"charts/{name}", "--namespace", name),
        values=edge_values_of(name, VARIANTS[variant]),
    )
    assert result.returncode == 0, result.stderr
    return [item for item in yaml.safe_load_all(result.stdout) if item]


def the(tool: Tool, name: str, kind: str, variant: str = "as they are") -> dict[str, Any]:
    (found,) = of(rendered(tool("helm"), name, variant), kind)
    return found


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_passes_helms_lint(tool: Tool, name: str):
    result = helm(tool, "lint", "--strict", f"charts/{name}", values=edge_values_of(name))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"imgae": "typing error"}, "imgae"),
        ({"probes": {"health": "/h", "ready": "/r", "live": "/l"}}, "live"),
        ({"image": "ghcr.io/ampere/api:1.0.0"}, "image"),
        ({"image": f"ghcr.io/ampere/api@{DIGEST}"}, "image"),
        ({"port": 80}, "port"),
        ({"replicas": 0}, "replicas"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"probes": {"health": "health", "ready": "/r"}}, "health"),
        ({"resources": {"limit": {"memory": "1Gi"}}}, "limit"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_values_that_would_not_do_are_refused(tool: Tool, name: str, change: Any, said: str):
    result = helm(tool, "template", f"charts/{name}", values={**edge_values_of(name), **change})
    assert result.returncode != 0
    assert said in result.stderr


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CHARTS)
def test_kubernetes_knows_every_field_of_a_charts_objects(tool: Tool, name: str, variant: str):
    import pulumi_kubernetes as kubernetes  # noqa: PLC0415 - its modules are looked up by name

    for item in rendered(tool("helm"), name, variant):
        group, _, version = item["apiVersion"].rpartition("/")
        module = getattr(getattr(kubernetes, group or "core"), version)
        arguments = getattr(module, f"{item['kind']}InitArgs")
        assert [str(fault) for fault in faults(shape_of(arguments), item)] == []
        assert item["metadata"]["namespace"] == name


@pytest.mark.parametrize("name", CHARTS)
def test_pods_pass_pod_security_restricted(tool: Tool, name: str):
    wrong = {
        owner: restricted(pod) for owner, pod in pods(rendered(tool("helm"), name, "as they are"))
    }
    assert wrong == {name: []}


@pytest.mark.parametrize("name", CHARTS)
def test_a_pod_is_ready_before_another_goes_and_answers_while_it_goes(tool: Tool, name: str):
    spec = the(tool, name, "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < drain < pod["terminationGracePeriodSeconds"], "the rest is for requests under way"


@pytest.mark.parametrize("name", CHARTS)
def test_a_pod_has_a_pinned_image_its_secret_and_its_limits(tool: Tool, name: str):
    pod = the(tool, name, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].startswith(f"ghcr.io/ampere/{name}:")
    assert container["image"].endswith(f"@{DIGEST}")
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert container["resources"]["limits"]["memory"]
    assert pod["automountServiceAccountToken"] is False, "it has nothing to ask the API server"


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_refuses_unknown_keys_at_every_level(name: str):
    schema = json.loads((ROOT / "charts" / name / "values.schema.json").read_text("utf-8"))
    assert list(open_objects(schema)) == []


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CHARTS)
def test_the_quota_holds_all_pods_and_an_updates_one_more(tool: Tool, name: str, variant: str):
    chosen = VARIANTS[variant]
    workload = getattr(chosen, name)
    (container,) = the(tool, name, "Deployment", variant)["spec"]["template"]["spec"]["containers"]
    asked = container["resources"]["requests"]
    pods_at_once = (workload.max_replicas or workload.replicas) + 1
    given = allowance(chosen, name)
    assert pods_at_once * thousandths(asked["cpu"]) <= given.cpu
    assert pods_at_once * size(asked["memory"]) <= given.memory
    assert pods_at_once <= given.pods


def test_the_quotas_hold_gateway_and_certificates_in_the_middle_of_an_upgrade():
    def twice(found: Any) -> tuple[int, int]:
        asked = [each for _, each in requests(found)]
        return (
            2 * sum(thousandths(each["cpu"]) for each in asked),
            2 * sum(size(each["memory"]) for each in asked),
        )

    (proxy,) = [item["spec"] for item in custom_objects(recorded()) if item["kind"] == "EnvoyProxy"]
    default = {"cpu": 20, "memory": 64 * 1024**2}
    controller, envoy = twice(edge_values_of("envoy-gateway")), twice(proxy)
    issuer = twice(edge_values_of("cert-manager"))
    needed = {
        # Beside Envoy runs its shutdown manager, and a Job makes certificates.
        "envoy-gateway-system": [
            each + other + 3 * more
            for each, other, more in zip(controller, envoy, default.values(), strict=True)
        ],
        # The webhook, the injector and the Job that waits for them say nothing.
        "cert-manager": [
            each + 5 * more for each, more in zip(issuer, default.values(), strict=True)
        ],
    }
    for namespace, (cpu, memory) in needed.items():
        share = settings().shares[namespace]
        assert share.cpu >= cpu, namespace
        assert share.memory >= memory, namespace


@pytest.mark.parametrize("name", CHARTS)
def test_a_drain_takes_one_pod_at_a_time(tool: Tool, name: str):
    budget = the(tool, name, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    chosen = budget["selector"]["matchLabels"]
    labels = the(tool, name, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert chosen.items() <= labels.items()


@pytest.mark.parametrize("name", CHARTS)
def test_who_counts_the_pods(tool: Tool, name: str):
    assert of(rendered(tool("helm"), name, "as they are"), "HorizontalPodAutoscaler") == []
    assert the(tool, name, "Deployment")["spec"]["replicas"] == 2
    busy = "everything changed"
    scaler = the(tool, name, "HorizontalPodAutoscaler", busy)["spec"]
    expected = {"api": (2, 9), "website": (1, 3)}[name]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == expected
    assert the(tool, name, "Deployment", busy)["spec"]["replicas"] == scaler["minReplicas"]


@contextmanager
def api_server(name: str, running: int) -> Generator[dict[str, Any]]:
    """Answer what Helm asks before an upgrade: one Deployment runs so many pods."""
    kind = {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
    group = {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}
    answers = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        "/apis": {"kind": "APIGroupList", "groups": [group]},
        "/apis/apps/v1": {
            "kind": "APIResourceList",
            "groupVersion": "apps/v1",
            "resources": [kind],
        },
        f"/apis/apps/v1/namespaces/{name}/deployments/{name}": {
            **deployment,
            "spec": {"replicas": running},
        },
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps(answer or {"kind": "Status", "code": 404}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
            "current-context": "c",
        }
        server.shutdown()


def replicas_of_upgrade(
    tool: Tool, name: str, values: dict[str, Any], running: int, file: Path
) -> int:
    with api_server(name, running) as kubeconfig:
        file.write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
        result = helm(
            tool,
            *("template", name, f"charts/{name}", "--namespace", name, "--is-upgrade"),
            *("--dry-run=server", f"--kubeconfig={file}"),
            values=values,
        )
    assert result.returncode == 0, result.stderr
    (found,) = of([item for item in yaml.safe_load_all(result.stdout) if item], "Deployment")
    return found["spec"]["replicas"]


@pytest.mark.parametrize("running", [1, 2, 3])
@pytest.mark.parametrize("name", CHARTS)
def test_an_upgrade_leaves_an_autoscaler_its_count(
    tool: Tool, name: str, running: int, tmp_path: Path
):
    values = edge_values_of(name, VARIANTS["everything changed"])
    wanted = max(running, values["replicas"])
    assert replicas_of_upgrade(tool, name, values, running, tmp_path / "kubeconfig") == wanted


@pytest.mark.parametrize("name", CHARTS)
def test_without_an_autoscaler_the_settings_count(tool: Tool, name: str, tmp_path: Path):
    values = edge_values_of(name)
    found = replicas_of_upgrade(tool, name, values, 7, tmp_path / "kubeconfig")
    assert found == values["replicas"] == 2


@pytest.mark.parametrize("name", CHARTS)
def test_the_service_leads_to_the_containers_port(tool: Tool, name: str):
    service = the(tool, name, "Service")["spec"]
    assert (service["type"], service["ports"][0]["port"]) == ("ClusterIP", 80)
    (container,) = the(tool, name, "Deployment")["spec"]["template"]["spec"]["containers"]
    names = {port["name"] for port in container["ports"]}
    assert service["ports"][0]["targetPort"] in names


def test_the_two_charts_differ_in_their_name_alone():
    def templates(name: str) -> dict[str, str]:
        folder = ROOT / "charts" / name / "templates"
        files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
        return {
            file: text.replace(f'"{name}.', '"NAME.').replace(f"name: {name}\n", "name: NAME\n")
            for file, text in files.items()
            if file != "NOTES.txt"
        }

    assert templates("api") == templates("website"), "a change of one is a change of both"


@needs_upstream
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_at_the_edge_fits_its_definition(tool: Tool, variant: str, place: str):
    items = [whole(item) for item in custom_objects(record(VARIANTS[variant]))]
    result = kubeconform(tool, place, items)
    assert result["resources"] == [], "nothing is invalid, in error or skipped"
    assert result["summary"]["valid"] == len(items) >= 18


def test_the_policy_that_closes_the_metadata_address_is_one_to_cilium(tool: Tool, place: str):
    content = metadata.policy()
    assert kubeconform(tool, place, [content])["summary"]["valid"] == 1
    content["spec"]["egressDeny"][0]["toCIDRs"] = ["169.254.169.254/32"]
    assert kubeconform(tool, place, [content])["summary"]["invalid"] == 1, "names are checked"


@needs_upstream
def test_a_key_that_the_definition_does_not_name_is_noticed(tool: Tool, place: str):
    items = [whole(item) for item in custom_objects(recorded())]
    policy = next(item for item in items if item["metadata"]["name"] == "api-jwt")
    policy["spec"]["jwt"]["provider"] = []
    (found,) = kubeconform(tool, place, [policy])["resources"]
    assert found["status"] == "statusInvalid"


def kubeconform(tool: Tool, place: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    result = subprocess.run(
        [tool("kubeconform"), "-strict", "-summary", "-output", "json", "-schema-location", place],
        input=yaml.safe_dump_all(items),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


@needs_upstream
@pytest.mark.parametrize("variant", VARIANTS)
def test_cert_managers_chart_takes_our_values(variant: str):
    (file,) = upstream_files("cert-manager-*/values.schema.json")
    schema = json.loads(file.read_text(encoding="utf-8"))
    values = edge_values_of("cert-manager", VARIANTS[variant])
    validator_for(schema)(schema).validate(values)
    with pytest.raises(jsonschema.ValidationError):
        validator_for(schema)(schema).validate({**values, "cdrs": {}})


@needs_upstream
def test_ciliums_chart_takes_our_values():
    (file,) = upstream_files("cilium-*/values.schema.json")
    schema = json.loads(file.read_text(encoding="utf-8"))
    values = edge_values_of("cilium")
    validator_for(schema)(schema).validate(values)
    assert unknown_keys(schema, values) == []
