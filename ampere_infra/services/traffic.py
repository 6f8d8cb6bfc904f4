"""The table of who may talk to whom in the home cluster; all NetworkPolicies come from it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from ampere_infra.platform.storage import NAMESPACE as LOCAL_PATH
from ampere_infra.platform.traffic import Flow, Outside, Pods, Port

OPERATOR = "cnpg-system"
POSTGRESQL = "postgresql"
MINIO = "minio"
AIRFLOW = "airflow"

POSTGRES_PORT = 5432
STATUS_PORT = 8000
"""CloudNativePG's instance manager, which the operator and the other instances ask."""
WEBHOOK_PORT = 9443
S3_PORT = 9000
CONSOLE_PORT = 9001
AIRFLOW_PORT = 8080

CLUSTER = "postgresql"
"""The database cluster's name, which the operator puts on its pods."""
OPERATOR_PODS = Pods(OPERATOR, (("app.kubernetes.io/name", "cloudnative-pg"),), "operator")
DATABASE = Pods(POSTGRESQL, (("cnpg.io/cluster", CLUSTER),), "instances")
DATABASE_CHECK = Pods(POSTGRESQL, (("app.kubernetes.io/component", "readiness"),), "readiness")
OBJECT_STORE = Pods(MINIO, (("app.kubernetes.io/component", "server"),), "server")
PROVISIONING = Pods(MINIO, (("app.kubernetes.io/component", "provisioning"),), "provisioning")
AIRFLOW_PODS = Pods(AIRFLOW, (("tier", "airflow"),), "airflow")
AIRFLOW_API = Pods(AIRFLOW, (("tier", "airflow"), ("component", "api-server")), "api-server")
DBT_PODS = Pods(AIRFLOW, (("app.kubernetes.io/name", "dbt"),), "dbt")


@dataclass(frozen=True)
class Addresses:
    """The addresses that are no pods'."""

    front: IPv4Address
    """The host whose NGINX serves the names, as the nodes see it: behind NAT their gateway."""
    api: IPv4Address
    """The API server's node."""
    nodes: IPv4Network
    pods: IPv4Network
    api_port: int = 6443


def home_traffic(addresses: Addresses) -> tuple[Flow, ...]:
    """Return the table."""
    return (
        _dns(),
        *_to_api(addresses),
        *_database(),
        *_webhook(addresses),
        *_object_store(),
        *_airflow(),
        *_from_front(addresses),
    )


def _ports(*numbers: int) -> tuple[Port, ...]:
    return tuple(Port(number) for number in numbers)


def _dns() -> Flow:
    return Flow(
        "dns",
        Pods(None),
        Pods("kube-system", (("k8s-app", "kube-dns"),), "dns"),
        (Port(53, "UDP"), Port(53, "TCP")),
        "Pods look names up.",
    )


def _to_api(addresses: Addresses) -> tuple[Flow, ...]:
    api = Outside((IPv4Network(addresses.api),))
    ports = _ports(addresses.api_port)
    return (
        Flow("provisioner-api", Pods(LOCAL_PATH), api, ports, "The provisioner watches claims."),
        Flow("operator-api", OPERATOR_PODS, api, ports, "The operator watches clusters."),
        Flow("database-api", DATABASE, api, ports, "Instances report and follow their cluster."),
        Flow("airflow-api", AIRFLOW_PODS, api, ports, "Tasks run as pods of their own."),
    )


def _database() -> tuple[Flow, ...]:
    login = _ports(POSTGRES_PORT)
    both = _ports(POSTGRES_PORT, STATUS_PORT)
    return (
        Flow("instances", DATABASE, DATABASE, both, "Instances replicate and elect a primary."),
        Flow("operator-database", OPERATOR_PODS, DATABASE, both, "The operator asks instances."),
        Flow("database-check", DATABASE_CHECK, DATABASE, login, "A login proves the database."),
        Flow("airflow-database", AIRFLOW_PODS, DATABASE, login, "Airflow's metadata."),
    )


def _webhook(addresses: Addresses) -> tuple[Flow, ...]:
    # The API server's packets come from its node, through the tunnel from the address that the
    # node has in the pod network; Cilium matches neither range with a pod.
    nodes = Outside((addresses.nodes, addresses.pods))
    return (
        Flow(
            "operator-webhook",
            nodes,
            OPERATOR_PODS,
            _ports(WEBHOOK_PORT),
            "The API server has database objects checked by the operator.",
        ),
    )


def _object_store() -> tuple[Flow, ...]:
    s3 = _ports(S3_PORT)
    return (
        Flow("provisioning", PROVISIONING, OBJECT_STORE, s3, "Buckets and users are made."),
        Flow("airflow-object-store", AIRFLOW_PODS, OBJECT_STORE, s3, "Task logs."),
        Flow("dbt-object-store", DBT_PODS, OBJECT_STORE, s3, "dbt reads and writes its bucket."),
    )


def _airflow() -> tuple[Flow, ...]:
    return (
        Flow(
            "airflow-execution",
            AIRFLOW_PODS,
            AIRFLOW_API,
            _ports(AIRFLOW_PORT),
            "Tasks and DAG processor report to the API server.",
        ),
        Flow(
            "airflow-live-logs",
            AIRFLOW_API,
            AIRFLOW_PODS,
            _ports(8793, 8794),
            "The log of a running task or trigger is read from its pod.",
        ),
    )


def _from_front(addresses: Addresses) -> tuple[Flow, ...]:
    front = Outside((IPv4Network(addresses.front),))
    return (
        Flow("front-minio", front, OBJECT_STORE, _ports(S3_PORT, CONSOLE_PORT), "S3 and console."),
        Flow("front-airflow", front, AIRFLOW_API, _ports(AIRFLOW_PORT), "Airflow's pages."),
    )
