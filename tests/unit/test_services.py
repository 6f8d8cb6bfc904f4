from __future__ import annotations

import json
from typing import Any

import pytest
from home_cluster import RELEASE, SECRET, SECRET_MARK, plain, recorded, settings

CANARY = "canary-"
REVISION = "random:index/randomId:RandomId"
SECRETS = [
    "airflow-admin",
    "airflow-connections",
    "airflow-keys",
    "dbt-s3",
    "minio-root",
    "minio-user-airflow",
    "minio-user-dbt",
    "postgresql-airflow",
    "postgresql-platform",
]


def values(name: str) -> dict[str, Any]:
    return recorded().release(name)["values"]


def test_these_secrets_are_made_beforehand():
    assert sorted(recorded().of(SECRET)) == SECRETS


@pytest.mark.parametrize("name", SECRETS)
def test_a_secrets_values_are_marked_secret(name: str):
    string_data = recorded().of(SECRET)[name]["stringData"]
    assert SECRET_MARK in string_data, "else they stand in clear in the state"
    assert plain(string_data), "and there are some"


def test_a_canary_stands_in_secrets_and_in_what_watches_them_and_nowhere_else():
    found = {
        asked.type for asked in recorded().asked if CANARY in json.dumps(asked.inputs, default=str)
    }
    assert found == {SECRET, REVISION}


@pytest.mark.parametrize("name", SECRETS)
def test_a_revision_watches_marked_values(name: str):
    keepers = recorded().of(REVISION)[name]["keepers"]
    assert SECRET_MARK in keepers, "the state would keep them in clear"
    assert plain(keepers) == plain(recorded().of(SECRET)[name]["stringData"])


@pytest.mark.parametrize("name", sorted(recorded().of(RELEASE)))
def test_a_charts_values_hold_no_secret_at_all(name: str):
    text = json.dumps(recorded().release(name), default=str)
    assert CANARY not in text, "a chart gets names of Secrets"
    assert SECRET_MARK not in text, "a marked value would hide the whole tree from the preview"


@pytest.mark.parametrize(
    ("secret", "release"), [("airflow-keys", "postgresql"), ("airflow-connections", "minio")]
)
def test_airflow_starts_after_what_it_works_with_because_its_secrets_say_where_that_is(
    secret: str, release: str
):
    assert release in recorded().waits[SECRET, secret], "the address is an output of the release"
    assert secret in recorded().waits[RELEASE, "airflow"], "and the release has the Secret's name"


@pytest.mark.parametrize("name", ["minio", "postgresql"])
def test_what_stores_data_waits_for_its_storage_and_its_policies(name: str):
    waits = recorded().waits[RELEASE, name]
    assert "local-path" in waits, "else its claims stay pending"
    assert {name, f"{name}-default"} <= waits, "no pod starts before its policies are there"


def test_the_database_waits_for_its_operator():
    assert "cloudnative-pg" in recorded().waits[RELEASE, "postgresql"]


def test_postgresql_gives_each_database_its_own_role_and_login():
    databases = values("postgresql")["databases"]
    assert databases == [
        {"name": name, "owner": name, "existingSecret": f"postgresql-{name}"}
        for name in ("airflow", "platform")
    ]


def test_a_login_of_postgresql_is_reloaded_when_it_changes():
    for name in ("postgresql-airflow", "postgresql-platform"):
        secret = recorded().of(SECRET)[name]
        assert secret["type"] == "kubernetes.io/basic-auth"
        assert secret["metadata"]["labels"]["cnpg.io/reload"] == "true"


def test_postgresql_and_minio_are_ready_when_their_jobs_are_done():
    assert recorded().release("postgresql")["waitForJobs"] is True, "a login has worked"
    assert recorded().release("minio")["waitForJobs"] is True, "buckets and users are there"


def test_minio_gives_each_consumer_its_own_bucket_only():
    users = {user["name"]: user["buckets"] for user in values("minio")["users"]}
    assert users == {"airflow": ["airflow-logs"], "dbt": ["warehouse"]}


def test_minio_answers_on_the_node_ports_of_the_settings():
    ports = settings().services.node_ports
    assert values("minio")["nodePorts"] == {"s3": ports.s3, "console": ports.minio}


def test_airflow_takes_its_keys_from_one_secret():
    chosen = values("airflow")
    assert chosen["data"]["metadataSecretName"] == "airflow-keys"
    names = {chosen[f"{key}SecretName"] for key in ("fernetKey", "apiSecretKey", "jwt")}
    assert names == {"airflow-keys"}
    assert set(plain(recorded().of(SECRET)["airflow-keys"])["stringData"]) == {
        "connection",
        "fernet-key",
        "api-secret-key",
        "jwt-secret",
    }


def test_airflow_reaches_its_database_with_an_escaped_password_over_tls():
    connection = plain(recorded().of(SECRET)["airflow-keys"])["stringData"]["connection"]
    assert connection.startswith("postgresql://airflow:canary-postgresql-airflow%2F%40%3A%25%2Bx@")
    assert connection.endswith(
        "@postgresql-rw.postgresql.svc.cluster.local:5432/airflow?sslmode=require"
    )


def test_airflows_logs_go_to_minio_by_a_connection_from_a_secret():
    logging = values("airflow")["config"]["logging"]
    assert logging["remote_base_log_folder"] == "s3://airflow-logs/logs"
    assert logging["remote_log_conn_id"] == "minio"
    entries = plain(recorded().of(SECRET)["airflow-connections"])["stringData"]
    connection = json.loads(entries["AIRFLOW_CONN_MINIO"])
    assert connection["extra"]["endpoint_url"] == "http://minio.minio.svc.cluster.local:9000"
    assert connection["login"].startswith("canary-airflow-access")
    assert "secretRef: {name: airflow-connections}" in values("airflow")["extraEnvFrom"]


def test_tasks_report_to_airflows_api_server_inside_the_cluster():
    core = values("airflow")["config"]["core"]
    assert core["execution_api_server_url"] == "http://airflow-api-server:8080/execution/"


def test_airflow_has_no_database_broker_or_metrics_of_the_charts_own():
    for part in ("postgresql", "pgbouncer", "redis", "statsd", "flower"):
        assert values("airflow")[part]["enabled"] is False, part


@pytest.mark.parametrize("job", ["migrateDatabaseJob", "createUserJob"])
def test_airflows_jobs_are_no_hooks(job: str):
    chosen = values("airflow")[job]
    assert chosen["useHelmHooks"] is False, "a hook runs after the release is ready: never"
    assert chosen["applyCustomEnv"] is False
    assert chosen["ttlSecondsAfterFinished"] == 0, "a Job that stays blocks the next upgrade"


def test_airflow_has_no_default_user():
    job = values("airflow")["createUserJob"]
    (script,) = job["args"]
    assert job["defaultUser"]["password"] == "", "the chart's own is admin"
    assert "--password" not in script, "an argument is seen by everyone on the node"
    assert "cat /run/secrets/ampere-admin/password" in script
    assert plain(recorded().of(SECRET)["airflow-admin"])["stringData"]["username"] == "admin"


def test_airflow_is_reached_through_the_node_that_runs_it_only():
    (service,) = recorded().of("kubernetes:core/v1:Service").values()
    assert service["spec"]["externalTrafficPolicy"] == "Local", "the host's address stays visible"
    assert service["spec"]["ports"][0]["nodePort"] == settings().services.node_ports.airflow


def test_pods_of_airflow_notice_a_changed_secret():
    revision = values("airflow")["airflowPodAnnotations"]["ampere/secrets-revision"]
    assert revision.split("-") == ["0badcafe"] * 4, "three of its own and that of dbt"


def test_dbt_tasks_are_told_where_their_data_is_and_how_big_they_may_get():
    (config_map,) = recorded().of("kubernetes:core/v1:ConfigMap").values()
    assert config_map["data"] == {
        "DBT_S3_ENDPOINT": "http://minio.minio.svc.cluster.local:9000",
        "DBT_S3_REGION": "us-east-1",
        "DBT_S3_BUCKET": "warehouse",
        "DBT_S3_LOGIN_SECRET": "dbt-s3",
        "DBT_THREADS": "2",
        "DBT_MEMORY_LIMIT": "2048MiB",
        "DBT_IMAGE": settings().images.dbt,
    }


def test_every_image_has_a_version():
    images = settings().images.model_dump()
    for name, image in images.items():
        assert not image.endswith(":latest"), name
        assert "@sha256:" in image or name == "dbt", f"{name}: dbt's image is built by us later"
