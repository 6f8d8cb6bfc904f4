"""The table of who may talk to whom at home, in the form of the rows in the settings.

All NetworkPolicies come from it; docs/services.md shows it.
"""

from __future__ import annotations

from ampere_infra.settings.namespaces import AIRFLOW, KUBE_SYSTEM, LOCAL_PATH, MINIO, OPERATOR
from ampere_infra.settings.namespaces import POSTGRESQL as DATABASE_NAMESPACE
from ampere_infra.settings.traffic import API, EVERYWHERE, FRONT, NODES, Flow

API_SERVER_PORT = 6443
POSTGRES_PORT = 5432
STATUS_PORT = 8000
"""CloudNativePG's instance manager, which the operator and the other instances ask."""
WEBHOOK_PORT = 9443
S3_PORT = 9000
CONSOLE_PORT = 9001
AIRFLOW_PORT = 8080
PLUGIN_PORT = 9090
LOG_PORTS = (8793, 8794)
"""Where Airflow's pods show the log of a running task or trigger."""

OPERATOR_PODS = f"{OPERATOR}/app.kubernetes.io/name=cloudnative-pg"
BACKUP_PLUGIN = f"{OPERATOR}/app.kubernetes.io/name=plugin-barman-cloud"
# Instances, and the Jobs that make them: of each generation, whatever its cluster is called.
DATABASE = f"{DATABASE_NAMESPACE}/app.kubernetes.io/managed-by=cloudnative-pg"
DATABASE_CHECK = f"{DATABASE_NAMESPACE}/app.kubernetes.io/component=readiness"
OBJECT_STORE = f"{MINIO}/app.kubernetes.io/component=server"
COPIES = f"{MINIO}/app.kubernetes.io/component=backup"
PROVISIONING = f"{MINIO}/app.kubernetes.io/component=provisioning"
AIRFLOW_PODS = f"{AIRFLOW}/tier=airflow"
AIRFLOW_API = f"{AIRFLOW}/tier=airflow,component=api-server"
DBT_PODS = f"{AIRFLOW}/app.kubernetes.io/name=dbt"
ANYWHERE = "0.0.0.0/0"
"""A policy knows addresses, not names, and a server's may be many; Cilium takes no pod for one."""
DNS = f"{KUBE_SYSTEM}/k8s-app=kube-dns"


def row(name: str, source: str, target: str, ports: tuple[int, ...], why: str) -> Flow:
    """Return a row about TCP."""
    return Flow(name=name, source=source, target=target, ports=ports, why=why)


def by_udp(flow: Flow) -> Flow:
    """Return the same row about UDP."""
    return flow.model_copy(update={"protocol": "UDP"})


_API, _LOGIN, _S3 = (API_SERVER_PORT,), (POSTGRES_PORT,), (S3_PORT,)
_INSTANCE = (POSTGRES_PORT, STATUS_PORT)

COMMON = (
    by_udp(row("dns", EVERYWHERE, DNS, (53,), "Pods look names up.")),
    row("dns-long", EVERYWHERE, DNS, (53,), "Long answers come over TCP."),
    row("provisioner-api", LOCAL_PATH, API, _API, "The provisioner watches claims."),
)
"""The rows of each cluster."""
PRODUCT = (
    *COMMON,
    row("operator-api", OPERATOR_PODS, API, _API, "The operator watches clusters."),
    row("database-api", DATABASE, API, _API, "Instances report and follow their cluster."),
    row("airflow-api", AIRFLOW_PODS, API, _API, "Tasks run as pods of their own."),
    row("instances", DATABASE, DATABASE, _INSTANCE, "Instances replicate and elect a primary."),
    row("operator-database", OPERATOR_PODS, DATABASE, _INSTANCE, "The operator asks instances."),
    row("database-check", DATABASE_CHECK, DATABASE, _LOGIN, "A login proves the database."),
    row("airflow-database", AIRFLOW_PODS, DATABASE, _LOGIN, "Airflow's metadata."),
    row(
        "operator-webhook",
        NODES,
        OPERATOR_PODS,
        (WEBHOOK_PORT,),
        "The API server has database objects checked by the operator.",
    ),
    row("provisioning", PROVISIONING, OBJECT_STORE, _S3, "Buckets and users are made."),
    row("airflow-object-store", AIRFLOW_PODS, OBJECT_STORE, _S3, "Task logs."),
    row("dbt-object-store", DBT_PODS, OBJECT_STORE, _S3, "dbt reads and writes its bucket."),
    row(
        "airflow-execution",
        AIRFLOW_PODS,
        AIRFLOW_API,
        (AIRFLOW_PORT,),
        "Tasks and DAG processor report to the API server.",
    ),
    row(
        "airflow-live-logs",
        AIRFLOW_API,
        AIRFLOW_PODS,
        LOG_PORTS,
        "The log of a running task or trigger is read from its pod.",
    ),
    row("front-minio", FRONT, OBJECT_STORE, (S3_PORT, CONSOLE_PORT), "S3 and console."),
    row("front-airflow", FRONT, AIRFLOW_API, (AIRFLOW_PORT,), "Airflow's pages."),
)


def backup(port: int) -> tuple[Flow, ...]:
    """Return the rows of the copies on a second S3 target that listens on ``port``."""
    target = (port,)
    return (
        row("plugin-api", BACKUP_PLUGIN, API, _API, "The plugin watches object stores."),
        row("operator-plugin", OPERATOR_PODS, BACKUP_PLUGIN, (PLUGIN_PORT,), "It is asked."),
        row("database-backup", DATABASE, ANYWHERE, target, "The second S3 target."),
        row("copies-object-store", COPIES, OBJECT_STORE, _S3, "What is copied."),
        row("copies-backup", COPIES, ANYWHERE, target, "The second S3 target."),
    )


def git(port: int) -> tuple[Flow, ...]:
    """Return the rows of git-sync, which follows the DAGs on a server that listens on ``port``."""
    return tuple(
        row(
            f"git-{component}",
            f"{AIRFLOW_PODS},component={component}",
            ANYWHERE,
            (port,),
            "git-sync follows the DAGs.",
        )
        for component in ("scheduler", "dag-processor", "triggerer", "worker")
    )


OPTIONAL = (*backup(443), *git(443))
"""The rows of what may be switched on, with a port for the sake of the example."""
