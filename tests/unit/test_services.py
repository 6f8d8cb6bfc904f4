from __future__ import annotations

import json
import re
from typing import Any

import pytest
from home_cluster import (
    BACKUP,
    POLICY,
    RELEASE,
    SECRET,
    SECRET_MARK,
    Recorder,
    backed_up,
    plain,
    record,
    recorded,
    settings,
)

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.model import HomeSecrets, generate
from ampere_infra.services.backup import backup_target
from ampere_infra.stacks.home_services import _dags_login

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
HOST_KEY = (
    "git.lan ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
)
BY_SSH: dict[str, Any] = {
    "source": "git",
    "repository": "ssh://git@git.lan:2222/me/dags.git",
    "ref": "v1",
    "path": "flows/home",
    "period": 30,
    "known_hosts": [f"[git.lan]:2222 {HOST_KEY.partition(' ')[2]}"],
}


def with_airflow(**changes: Any) -> Recorder:
    return record(settings(airflow={"admin_email": "a@b.c", **changes}))


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
    assert connection.startswith(
        "postgresql://airflow:canary-postgresql_airflow_password%2F%40%3A%25%2Bx@"
    )
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
    assert connection["login"].startswith("canary-minio_airflow_access_key")
    assert "secretRef: {name: airflow-connections}" in values("airflow")["extraEnvFrom"]


def test_tasks_find_the_platforms_database_and_its_bucket_as_connections():
    entries = plain(recorded().of(SECRET)["airflow-connections"])["stringData"]
    assert entries["AIRFLOW_CONN_PLATFORM"].startswith(
        "postgresql://platform:canary-postgresql_platform_password%2F%40%3A%25%2Bx@"
    )
    assert entries["AIRFLOW_CONN_PLATFORM"].endswith(":5432/platform?sslmode=require")
    duckdb = json.loads(entries["AIRFLOW_CONN_DUCKDB"])["extra"]
    assert duckdb["endpoint"] == "minio.minio.svc.cluster.local:9000", "DuckDB takes no scheme"
    assert duckdb["key_id"].startswith("canary-minio_dbt_access_key"), (
        "the user of the warehouse's bucket"
    )


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


def test_a_tasks_own_pod_has_the_image_of_the_settings():
    images = values("airflow")["images"]
    pod = images["pod_template"]
    assert f"{pod['repository']}:{pod['tag']}" == settings().images.airflow, (
        "the chart's own default is another image"
    )


def test_the_chart_makes_no_secret_of_its_own():
    assert values("airflow")["data"]["brokerUrlSecretName"], "it would make one, and leave it"


def test_only_with_tasks_as_pods_does_the_api_server_read_the_logs_of_pods():
    api = values("airflow")["apiServer"]
    assert api["allowPodLogReading"] is False
    assert api["serviceAccount"]["automountServiceAccountToken"] is False
    pods = with_airflow(executor="KubernetesExecutor").release("airflow")["values"]["apiServer"]
    assert pods["allowPodLogReading"] is True
    assert "serviceAccount" not in pods


def test_tasks_beside_the_scheduler_have_memory_laid_aside():
    three = with_airflow(parallelism=3).release("airflow")["values"]
    assert three["config"]["core"]["parallelism"] == "3"
    assert three["scheduler"]["resources"]["limits"]["memory"] == f"{1024 + 3 * 384}Mi"
    apart = with_airflow(executor="KubernetesExecutor").release("airflow")["values"]
    assert apart["scheduler"]["resources"]["limits"]["memory"] == "1Gi"


def test_the_dags_are_those_of_the_image_unless_a_repository_is_named():
    assert values("airflow")["dags"] == {"gitSync": {"enabled": False}}
    assert "airflow-git" not in recorded().of(SECRET)
    assert not [name for name in recorded().of(POLICY) if "workers" in name]


def test_dags_of_a_private_repository_are_read_with_a_deploy_key_from_a_known_server():
    asked = with_airflow(dags=BY_SSH)
    sync = asked.release("airflow")["values"]["dags"]["gitSync"]
    assert sync["repo"] == "ssh://git@git.lan:2222/me/dags.git"
    assert (sync["ref"], sync["subPath"], sync["period"]) == ("v1", "flows/home", "30s")
    assert sync["sshKeySecret"] == "airflow-git"
    assert sync["knownHosts"] == f"{BY_SSH['known_hosts'][0]}\n", "any other server is refused"
    (key,) = plain(asked.of(SECRET)["airflow-git"])["stringData"].values()
    assert key.startswith("canary-airflow_git_ssh_key"), "and it comes from the SOPS file"
    assert key.endswith("\n"), "ssh refuses a key without the end of its last line"


def test_dags_of_a_private_repository_are_read_with_a_token():
    repository = "https://github.com/me/dags.git"
    asked = with_airflow(
        dags={"source": "git", "repository": repository, "user": "me", "path": "."}
    )
    sync = asked.release("airflow")["values"]["dags"]["gitSync"]
    assert sync["credentialsSecret"] == "airflow-git"
    assert sync["subPath"] == "", "the top of the repository"
    entries = plain(asked.of(SECRET)["airflow-git"])["stringData"]
    assert entries["GITSYNC_USERNAME"] == "me"
    assert entries["GITSYNC_PASSWORD"].startswith("canary-airflow_git_token")
    assert set(entries) == {
        f"{prefix}_{name}"
        for prefix in ("GIT_SYNC", "GITSYNC")
        for name in ("USERNAME", "PASSWORD")
    }, "the chart asks for the names of both versions"


@pytest.mark.parametrize(
    ("dags", "name"),
    [
        (BY_SSH, "airflow_git_ssh_key"),
        (
            {"source": "git", "repository": "https://git.lan/dags", "user": "me"},
            "airflow_git_token",
        ),
    ],
)
def test_a_login_that_the_settings_want_and_the_secrets_lack_is_named(
    dags: dict[str, Any], name: str
):
    values = generate("home")
    home = settings(airflow={"admin_email": "a@b.c", "dags": dags}).services.airflow.dags
    assert _dags_login(home, HomeSecrets.parse(values, "file")) is not None
    del values[name]
    with pytest.raises(SecretsError, match=rf"{name} is missing: .*ampere:services.airflow.dags"):
        _dags_login(home, HomeSecrets.parse(values, "file"))


def test_dags_of_a_public_repository_need_no_login():
    asked = with_airflow(dags={"source": "git", "repository": "https://github.com/me/dags.git"})
    assert "airflow-git" not in asked.of(SECRET)
    sync = asked.release("airflow")["values"]["dags"]["gitSync"]
    assert not {"credentialsSecret", "sshKeySecret", "knownHosts"} & sync.keys()


@pytest.mark.parametrize(
    ("dags", "port"),
    [
        ({"repository": "https://github.com/me/dags.git"}, 443),
        ({"repository": "ssh://git@git.lan/dags", "known_hosts": [HOST_KEY]}, 22),
        ({"repository": "ssh://git@git.lan:2222/dags", "known_hosts": [HOST_KEY]}, 2222),
    ],
)
def test_only_what_runs_dags_reaches_the_git_server(dags: dict[str, Any], port: int):
    asked = with_airflow(dags={"source": "git", **dags})
    reaching = {
        name.removeprefix("airflow-")
        for name, policy in asked.of(POLICY).items()
        for rule in policy["spec"].get("egress") or []
        if {"port": port, "protocol": "TCP"} in rule["ports"]
        and rule["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
    }
    components = ("scheduler", "dag-processor", "triggerer", "worker")
    assert reaching == {f"airflow-{component}" for component in components}


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
        "DBT_POD_TEMPLATE_FILE": "/opt/airflow/dbt/pod.yaml",
    }


def test_pods_of_airflow_have_the_file_of_dbts_pod():
    (volume,), (mount,) = values("airflow")["volumes"], values("airflow")["volumeMounts"]
    assert volume["configMap"] == {"name": "dbt-pod-template"}
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/opt/airflow/dbt")


def test_every_image_but_dbts_which_is_yet_to_be_built_is_pinned_by_its_digest():
    for name, image in settings().images.model_dump().items():
        assert re.search(r":[^:@]+@sha256:[0-9a-f]{64}$", image) or name == "dbt", name


BACKUP_SECRETS = [
    "barman-cloud-client-tls",
    "barman-cloud-server-tls",
    "minio-backup",
    "minio-user-backup",
    "postgresql-backup",
]


def test_without_a_second_target_nothing_of_a_backup_is_asked_for():
    assert "plugin-barman-cloud" not in recorded().of(RELEASE)
    assert not set(BACKUP_SECRETS) & set(recorded().of(SECRET))
    for name in ("postgresql", "minio"):
        assert not {"backup", "recovery"} & values(name).keys(), "the charts' defaults are off"


@pytest.mark.parametrize("name", BACKUP_SECRETS)
def test_a_backups_secrets_are_made_beforehand_and_marked(name: str):
    string_data = backed_up().of(SECRET)[name]["stringData"]
    assert SECRET_MARK in string_data, "else they stand in clear in the state"
    assert CANARY in json.dumps(plain(string_data))


def test_a_backups_canaries_stand_in_secrets_only():
    secret = {"tls:index/selfSignedCert:SelfSignedCert"}
    found = {
        asked.type for asked in backed_up().asked if CANARY in json.dumps(asked.inputs, default=str)
    }
    assert found == {SECRET, REVISION} | secret
    for release in backed_up().of(RELEASE).values():
        assert CANARY not in json.dumps(release, default=str)


def test_a_certificates_key_is_marked_where_a_certificate_is_made_of_it():
    made = backed_up().of("tls:index/selfSignedCert:SelfSignedCert")
    assert sorted(made) == ["barman-cloud-client", "barman-cloud-server"]
    for certificate in made.values():
        assert SECRET_MARK in certificate["privateKeyPem"]
        assert certificate["dnsNames"] == ["barman-cloud"], "the Service's name"


def test_the_plugin_needs_no_cert_manager_and_starts_anew_with_other_certificates():
    plugin = backed_up().release("plugin-barman-cloud")
    assert plugin["namespace"] == "cnpg-system", "it must be where the operator is"
    assert set(plugin["values"]["certificate"].values()) == {False}
    assert plugin["values"]["podLabels"] == {"ampere/certificates": "0badcafe-0badcafe"}
    waits = backed_up().waits[RELEASE, "plugin-barman-cloud"]
    assert {"barman-cloud-client-tls", "barman-cloud-server-tls", "cloudnative-pg"} <= waits


def test_the_database_waits_for_the_plugin_that_it_names():
    assert "plugin-barman-cloud" in backed_up().waits[RELEASE, "postgresql"]


def test_the_charts_are_told_of_the_second_target_by_the_names_of_secrets():
    postgresql = backed_up().release("postgresql")["values"]["backup"]
    assert postgresql == {
        "destinationPath": "s3://copies/home/postgresql",
        "endpointUrl": "https://s3.example.com:8443",
        "existingSecret": "postgresql-backup",
        "schedule": "30 2 * * *",
        "retention": "7d",
    }
    minio = backed_up().release("minio")["values"]
    assert minio["backup"]["existingSecret"] == "minio-backup"
    (reader,) = [user for user in minio["users"] if user["name"] == minio["backup"]["user"]]
    assert reader["readOnly"] is True, "who copies changes nothing"
    assert reader["buckets"] == ["airflow-logs", "warehouse"], "and copies all"


def test_a_restored_database_is_another_cluster_that_its_consumers_are_led_to():
    recovery = backed_up().release("postgresql")["values"]["recovery"]
    assert recovery == {
        "generation": 2,
        "source": "postgresql",
        "targetTime": "2026-11-20 10:00:00.000000+00",
        "kept": ["postgresql"],
    }
    connection = plain(backed_up().of(SECRET)["airflow-keys"])["stringData"]["connection"]
    assert "@postgresql-2-rw.postgresql.svc.cluster.local:5432/" in connection


def test_a_target_without_its_login_is_refused_by_the_names_of_the_secrets():
    values = {name: value for name, value in generate("home").items() if "backup" not in name}
    secrets = HomeSecrets.parse(values, "home.enc.yaml")
    with pytest.raises(SecretsError, match="needs backup_access_key and backup_secret_key"):
        backup_target(settings(backup=BACKUP).services.backup, secrets)
    assert backup_target(None, secrets) is None, "without a target they are not needed"


def test_dbts_pod_has_more_memory_than_duckdb_takes():
    pod = record(settings(dbt={"memory": "1GiB"})).release("dbt")["values"]["resources"]
    assert pod["limits"]["memory"] == pod["requests"]["memory"] == "1536Mi"
