from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pulumi_kubernetes as kubernetes
import pytest
import yaml
from home_cluster import ROOT, record, settings
from jsonschema.validators import validator_for
from rendered_charts import (
    CASES,
    OURS,
    folder,
    helm,
    namespace_of,
    of,
    open_objects,
    pods,
    rendered,
    restricted,
    unknown_keys,
    values_of,
)

from ampere_infra.backup.session import COPY_LABEL
from ampere_infra.rehearsal.doubles.schema import faults, shape_of
from tests.upstream import needs_upstream, upstream_files

if TYPE_CHECKING:
    from rendered_charts import Tool

KNOWN_GROUPS = {
    "": kubernetes.core,
    "apps": kubernetes.apps,
    "batch": kubernetes.batch,
    "policy": kubernetes.policy,
    "rbac.authorization.k8s.io": kubernetes.rbac,
    "storage.k8s.io": kubernetes.storage,
}
OUR_OPERATORS = {"postgresql.cnpg.io", "barmancloud.cnpg.io"}


@pytest.mark.parametrize("name", CASES)
def test_a_chart_of_ours_passes_helms_lint(tool: Tool, name: str):
    result = helm(tool, "lint", "--strict", folder(name), values=values_of(name))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_value_that_a_chart_does_not_know_is_refused(tool: Tool, name: str):
    values = {**values_of(name), "imgae": "typing error"}
    result = helm(tool, "template", folder(name), values=values)
    assert result.returncode != 0
    assert "imgae" in result.stderr


@pytest.mark.parametrize("name", OURS)
def test_a_chart_refuses_unknown_keys_at_every_level(name: str):
    schema = json.loads((ROOT / folder(name) / "values.schema.json").read_text(encoding="utf-8"))
    assert list(open_objects(schema)) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("minio", {"metrics": {"authentification": "jwt"}}),
        ("minio", {"backup": {"endpointUrl": "https://s3.example.com"}}),
        ("minio", {"resources": {"limit": {"memory": "1Gi"}}}),
        ("postgresql", {"recovery": {"generation": 0}}),
        ("postgresql", {"backup": {"destinationPath": "s3://copies", "endpointUrl": ""}}),
        ("local-path", {"resources": {"limits": {"memory": "a lot"}}}),
        ("dbt", {"scratch": "10GB!"}),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_rendered(tool: Tool, name: str, change: Any):
    result = helm(tool, "template", folder(name), values={**values_of(name), **change})
    assert result.returncode != 0
    assert "don't meet the specifications of the schema" in result.stderr


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("left_out", ["tag", "digest"])
def test_an_image_without_tag_or_digest_is_refused(tool: Tool, name: str, left_out: str):
    image = "docker.io/library/busybox" + ("" if left_out == "tag" else ":1.37.0")
    result = helm(tool, "template", folder(name), values={**values_of(name), "image": image})
    free = left_out == "digest" and name == "dbt"
    assert (result.returncode == 0) is free, "dbt's image is yet to be built"
    assert free or "image" in result.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_charts_objects_are_well_formed(tool: Tool, name: str):
    for item in rendered(tool, name):
        assert item["apiVersion"], item["kind"]
        assert item["metadata"]["name"], item["kind"]
        if item["kind"] not in {"StorageClass", "ClusterRole", "ClusterRoleBinding"}:
            assert item["metadata"]["namespace"] == namespace_of(name), f"{item['kind']} has none"


@pytest.mark.parametrize("name", CASES)
def test_kubernetes_knows_every_field_of_a_charts_objects(tool: Tool, name: str):
    checked = 0
    for item in rendered(tool, name):
        group, _, version = item["apiVersion"].rpartition("/")
        module = KNOWN_GROUPS.get(group)
        if module is None:
            assert group in OUR_OPERATORS, "checked against the operators' definitions"
            continue
        arguments = getattr(getattr(module, version), f"{item['kind']}InitArgs")
        assert [str(fault) for fault in faults(shape_of(arguments), item)] == []
        checked += 1
    assert checked


@pytest.mark.parametrize("name", CASES)
def test_pods_pass_pod_security_restricted(tool: Tool, name: str):
    wrong = {owner: restricted(pod) for owner, pod in pods(rendered(tool, name))}
    assert wrong, "there are pods"
    assert not any(wrong.values()), wrong


@pytest.mark.parametrize("name", CASES)
def test_each_container_has_a_pinned_image_and_says_what_it_needs(tool: Tool, name: str):
    for owner, pod in pods(rendered(tool, name)):
        for container in pod["containers"]:
            pinned = "@sha256:" in container["image"]
            assert pinned or name == "dbt", f"{owner}: only dbt's image is built by us later"
            assert container["resources"]["requests"], owner
            assert container["resources"]["limits"]["memory"], owner


@pytest.mark.parametrize("name", CASES)
def test_a_servers_health_is_asked_for(tool: Tool, name: str):
    servers = [
        item for item in rendered(tool, name) if item["kind"] in {"Deployment", "StatefulSet"}
    ]
    for server in servers:
        for container in server["spec"]["template"]["spec"]["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_chart_makes_no_secret(tool: Tool, name: str):
    assert of(rendered(tool, name), "Secret") == [], "Secrets are made beforehand"


def test_nothing_is_lost_when_a_claim_goes(tool: Tool):
    (storage_class,) = of(rendered(tool, "local-path"), "StorageClass")
    assert storage_class["reclaimPolicy"] == "Retain"
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
    marks = storage_class["metadata"]["annotations"]
    assert marks["storageclass.kubernetes.io/is-default-class"] == "true"
    assert marks["defaultVolumeType"] == "local", "else a pod's fsGroup has no effect"


def test_a_volumes_folder_is_closed_to_others_and_made_by_a_pinned_image(tool: Tool):
    (config,) = of(rendered(tool, "local-path"), "ConfigMap")
    assert "mkdir -m 0700" in config["data"]["setup"]
    helper = yaml.safe_load(config["data"]["helperPod.yaml"])
    (container,) = helper["spec"]["containers"]
    assert container["image"] == settings().images.local_path_helper
    assert "add" not in container["securityContext"]["capabilities"], "the provisioner refuses it"
    assert "volumes" not in helper["spec"], "the provisioner refuses it"


def test_volumes_can_be_had_before_the_first_worker_is_there(tool: Tool):
    (deployment,) = of(rendered(tool, "local-path"), "Deployment")
    (toleration,) = deployment["spec"]["template"]["spec"]["tolerations"]
    assert toleration["key"] == "node-role.kubernetes.io/control-plane"


def test_minios_data_stays_when_the_release_goes(tool: Tool):
    (server,) = of(rendered(tool, "minio"), "StatefulSet")
    policy = server["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_minio_shows_no_password_in_a_command_or_a_plain_variable(tool: Tool):
    for owner, pod in pods(rendered(tool, "minio")):
        for container in pod["containers"]:
            for variable in container["env"]:
                secret = any(word in variable["name"] for word in ("PASSWORD", "SECRET", "_KEY"))
                assert ("valueFrom" in variable) or not secret, f"{owner}: {variable['name']}"


def test_minios_policy_for_a_user_names_its_own_buckets_only(tool: Tool):
    (config,) = of(rendered(tool, "minio"), "ConfigMap")
    assert sorted(config["data"]) == ["airflow.json", "dbt.json"], "a policy for each consumer"
    policy = json.loads(config["data"]["airflow.json"])
    resources = {item for rule in policy["Statement"] for item in rule["Resource"]}
    assert resources == {"arn:aws:s3:::airflow-logs", "arn:aws:s3:::airflow-logs/*"}
    actions = {action for rule in policy["Statement"] for action in rule["Action"]}
    assert not any("*" in action for action in actions), "every right is named"


@pytest.mark.parametrize(("chart", "change"), [("minio", {"secretRevision": "other"})])
def test_a_changed_secret_gives_a_job_another_name(tool: Tool, chart: str, change: dict[str, str]):
    before = {item["metadata"]["name"] for item in of(rendered(tool, chart), "Job")}
    result = helm(tool, "template", chart, f"charts/{chart}", values=values_of(chart) | change)
    after = {
        item["metadata"]["name"]
        for item in of([item for item in yaml.safe_load_all(result.stdout) if item], "Job")
    }
    assert before.isdisjoint(after), "a Job cannot be changed"


@pytest.mark.parametrize("chart", ["minio", "postgresql"])
def test_a_job_never_fails_for_good(tool: Tool, chart: str):
    for job in of(rendered(tool, chart), "Job"):
        assert job["spec"]["backoffLimit"] == 1000, "a failed Job fails every later upgrade"
        assert "activeDeadlineSeconds" not in job["spec"], "the release has the deadline"


def test_node_ports_take_connections_on_the_node_of_the_pod_only(tool: Tool):
    fronts = [s for s in of(rendered(tool, "minio"), "Service") if s["spec"].get("type")]
    assert [front["spec"]["externalTrafficPolicy"] for front in fronts] == ["Local"]


def test_a_role_enters_its_own_database_and_no_other(tool: Tool):
    (cluster,) = of(rendered(tool, "postgresql"), "Cluster")
    assert cluster["spec"]["postgresql"]["pg_hba"] == [
        "hostssl airflow airflow all scram-sha-256",
        "hostssl platform platform all scram-sha-256",
        "host all airflow,platform all reject",
    ]


@pytest.mark.parametrize(("instances", "budget"), [(1, "no"), (2, "yes")])
def test_a_single_instance_does_not_block_a_drain(tool: Tool, instances: int, budget: str):
    values = {**values_of("postgresql"), "instances": instances}
    result = helm(tool, "template", "postgresql", "charts/postgresql", values=values)
    (cluster,) = of([item for item in yaml.safe_load_all(result.stdout) if item], "Cluster")
    assert cluster["spec"]["enablePDB"] is (budget == "yes")


def test_each_database_is_logged_in_to_before_the_release_is_ready(tool: Tool):
    jobs = of(rendered(tool, "postgresql"), "Job")
    databases = {
        variable["value"]
        for _, pod in pods(jobs)
        for variable in pod["containers"][0]["env"]
        if variable["name"] == "PGDATABASE"
    }
    assert databases == {"airflow", "platform"}


def test_who_copies_reads_every_bucket_and_writes_none(tool: Tool):
    items = of(rendered(tool, "minio backed-up"), "ConfigMap")
    (config,) = [item for item in items if item["metadata"]["name"] == "minio-policies"]
    policy = json.loads(config["data"]["backup.json"])
    actions = {action for rule in policy["Statement"] for action in rule["Action"]}
    assert "s3:GetObject" in actions
    assert not [action for action in actions if "Put" in action or "Delete" in action]


def test_metrics_are_shown_to_who_has_a_token(tool: Tool):
    ((_, server),) = pods(of(rendered(tool, "minio"), "StatefulSet"))
    environment = {item["name"]: item.get("value") for item in server["containers"][0]["env"]}
    assert environment["MINIO_PROMETHEUS_AUTH_TYPE"] == "jwt", "the LAN reaches the same port"


def test_copies_are_made_on_schedule_and_restored_on_request_only(tool: Tool):
    jobs = {
        item["metadata"]["name"]: item["spec"]
        for item in of(rendered(tool, "minio backed-up"), "CronJob")
    }
    assert jobs["minio-backup"]["schedule"] == "30 2 * * *"
    assert jobs["minio-backup"]["timeZone"] == "Etc/UTC"
    assert jobs["minio-backup"]["concurrencyPolicy"] == "Forbid"
    assert not jobs["minio-backup"].get("suspend")
    assert jobs["minio-restore"]["suspend"] is True
    key, _, value = COPY_LABEL.partition("=")
    for name, job in jobs.items():
        labels = job["jobTemplate"]["metadata"]["labels"]
        assert labels[key] == value, f"{name}: by this `ampere backup` sees that one runs"


def test_two_instances_never_share_a_node(tool: Tool):
    (cluster,) = of(rendered(tool, "postgresql"), "Cluster")
    assert cluster["spec"]["instances"] == 2
    assert cluster["spec"]["affinity"]["podAntiAffinityType"] == "required"
    assert cluster["spec"]["affinity"]["topologyKey"] == "kubernetes.io/hostname"


def test_the_log_is_archived_and_the_first_backup_is_made_at_once(tool: Tool):
    items = rendered(tool, "postgresql backed-up")
    (store,) = of(items, "ObjectStore")
    assert store["spec"]["retentionPolicy"] == "7d"
    assert store["spec"]["configuration"]["destinationPath"] == "s3://copies/home/postgresql"
    (scheduled,) = of(items, "ScheduledBackup")
    assert scheduled["spec"]["schedule"] == "0 30 2 * * *", "the operator's begins with seconds"
    assert scheduled["spec"]["immediate"] is True, "without one no point in time can be restored"
    assert scheduled["spec"]["cluster"]["name"] == "postgresql-2"
    for cluster in of(items, "Cluster"):
        (plugin,) = cluster["spec"]["plugins"]
        assert plugin["isWALArchiver"] is True
        assert plugin["parameters"]["barmanObjectName"] == store["metadata"]["name"]
        assert plugin["parameters"]["serverName"] == cluster["metadata"]["name"], (
            "a new cluster refuses an archive that has content"
        )


def test_a_restore_is_a_new_cluster_and_the_old_one_sleeps_on_its_volumes(tool: Tool):
    items = rendered(tool, "postgresql backed-up")
    clusters = {item["metadata"]["name"]: item for item in of(items, "Cluster")}
    assert sorted(clusters) == ["postgresql", "postgresql-2"]
    new, old = clusters["postgresql-2"], clusters["postgresql"]
    assert new["spec"]["bootstrap"]["recovery"]["recoveryTarget"] == {
        "targetTime": "2026-11-20 10:00:00.000000+00"
    }
    (source,) = new["spec"]["externalClusters"]
    assert source["name"] == new["spec"]["bootstrap"]["recovery"]["source"]
    assert source["plugin"]["parameters"]["serverName"] == "postgresql"
    assert old["metadata"]["annotations"] == {"cnpg.io/hibernation": "on"}
    before = of(rendered(tool, "postgresql"), "Cluster")[0]["spec"]
    assert old["spec"]["bootstrap"] == before["bootstrap"], "it is the one that was there"
    assert {item["metadata"]["name"] for item in of(items, "Database")} == {
        f"{cluster}-{database}" for cluster in clusters for database in ("airflow", "platform")
    }


def test_a_dbt_task_is_a_pod_that_airflow_can_fill_in(tool: Tool):
    (config,) = of(rendered(tool, "dbt"), "ConfigMap")
    assert config["metadata"]["name"] == "dbt-pod-template"
    pod = yaml.safe_load(config["data"]["pod.yaml"])
    assert pod["kind"] == "Pod"
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "dbt", "the policies' label"
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "base", "what Airflow's operators look for"
    assert container["envFrom"] == [
        {"configMapRef": {"name": "dbt-settings"}},
        {"secretRef": {"name": "dbt-s3"}},
    ]
    shape = shape_of(kubernetes.core.v1.PodInitArgs)
    assert [str(fault) for fault in faults(shape, pod)] == []


def definition(group: str, plural: str) -> dict[str, Any]:
    (file,) = upstream_files(f"cloudnative-pg-*/crds/{group}_{plural}.yaml")
    text = file.read_text(encoding="utf-8")
    (version,) = yaml.safe_load(text)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


@needs_upstream
@pytest.mark.parametrize("name", ["postgresql", "postgresql backed-up"])
def test_database_objects_fit_the_operators_definitions(tool: Tool, name: str):
    checked = 0
    for item in rendered(tool, name):
        group = item["apiVersion"].partition("/")[0]
        if group not in OUR_OPERATORS:
            continue
        schema = definition(group, f"{item['kind'].lower()}s")
        jsonschema.Draft7Validator(schema).validate(item)
        assert unknown_keys(schema["properties"]["spec"], item["spec"]) == []
        checked += 1
    assert checked >= 3


@needs_upstream
@pytest.mark.parametrize(
    ("name", "schema_file"),
    [
        ("cloudnative-pg", "operator-chart-values.schema.json"),
        ("plugin-barman-cloud backed-up", "plugin-barman-cloud-chart-values.schema.json"),
    ],
)
def test_the_operators_charts_take_our_values(name: str, schema_file: str):
    (file,) = upstream_files(f"cloudnative-pg-*/{schema_file}")
    schema = json.loads(file.read_text(encoding="utf-8"))
    values = values_of(name)
    validator_for(schema)(schema).validate(values)
    assert unknown_keys(schema, values) == []


@needs_upstream
def test_ciliums_chart_takes_our_values():
    (file,) = upstream_files("cilium-*/values.schema.json")
    schema = json.loads(file.read_text(encoding="utf-8"))
    values = values_of("cilium")
    validator_for(schema)(schema).validate(values)
    assert unknown_keys(schema, values) == [], "the schema itself does not refuse them"


def test_the_executor_of_the_settings_reaches_the_chart():
    airflow = {"admin_email": "a@b.c", "executor": "KubernetesExecutor"}
    asked = record(settings(airflow=airflow))
    assert asked.release("airflow")["values"]["executor"] == "KubernetesExecutor"
