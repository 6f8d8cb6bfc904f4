"""The settings of the platform's services and their images."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from ampere_infra.settings.repositories import (
    FolderInRepository,
    GitRef,
    GitRepository,
    KnownHost,
)
from ampere_infra.settings.types import (
    GIB,
    MIB,
    Bucket,
    DnsLabel,
    DnsName,
    Email,
    Endpoint,
    ImageReference,
    Login,
    Model,
    NodePort,
    Region,
    Schedule,
    Seconds,
    Size,
    TaggedImage,
)

SCHEDULER_MEMORY = 1024 * MIB
TASK_MEMORY = 384 * MIB
"""Of one task beside the scheduler: Python with Airflow, twice, and some work."""


class Images(Model):
    """Container images of our own charts; those of upstream charts come with their versions."""

    local_path_provisioner: ImageReference
    """Makes volumes of pods on the nodes' data disks."""
    local_path_helper: ImageReference
    """Makes and removes a volume's folder."""
    postgresql: ImageReference
    """The database; its tag begins with PostgreSQL's version."""
    minio: ImageReference
    """The object store's server."""
    minio_client: ImageReference
    """Makes buckets, users and policies."""
    airflow: ImageReference
    """Airflow; its tag begins with Airflow's version."""
    dbt: TaggedImage
    """dbt with DuckDB, for Airflow's tasks. You build it, so it has no digest before that; write it
    behind the tag once it is pushed."""


class Domains(Model):
    """The names that the NGINX front on the KVM host serves."""

    minio: DnsName
    """MinIO's console."""
    s3: DnsName
    """MinIO's S3 API."""
    airflow: DnsName
    """Airflow's website."""


class NodePorts(Model):
    """The ports on the nodes that the NGINX front passes requests to."""

    minio: NodePort = 30901
    """MinIO's console."""
    s3: NodePort = 30900
    """MinIO's S3 API."""
    airflow: NodePort = 30880
    """Airflow's website."""


class PostgreSQL(Model):
    """The database cluster."""

    instances: Annotated[int, Field(strict=True, ge=1, le=9)] = 2
    """One primary, the others its copies, each on a worker of its own."""
    storage: Size = Size(10 * GIB)
    """The volume of each instance, on its worker's data disk."""


class MinIO(Model):
    """The object store."""

    storage: Size = Size(50 * GIB)
    """The volume, on one worker's data disk."""
    buckets: Annotated[tuple[Bucket, ...], Field(min_length=1)] = ("airflow-logs", "warehouse")
    """The buckets that are made."""


class Dags(Model):
    """Where Airflow's DAGs come from."""

    source: Literal["image", "git"] = "image"
    """``image``: the folder /opt/airflow/dags of Airflow's image; ``git``: a repository."""
    repository: GitRepository | None = None
    """By https:// or ssh://; needed with ``git``, refused with ``image``, like all that follows."""
    ref: GitRef = "main"
    """The branch that is followed, or a tag or a commit that stays."""
    path: FolderInRepository = "dags"
    """The folder of the repository where the DAGs are."""
    period: Seconds = 60
    """How often the repository is asked for changes."""
    user: Login | None = None
    """The account of the token in the SOPS file; without it an https:// repository is public."""
    known_hosts: tuple[KnownHost, ...] = ()
    """The keys of the server of an ssh:// repository; an unknown server is refused."""


class Airflow(Model):
    """The scheduler of the platform's work."""

    executor: Literal["LocalExecutor", "KubernetesExecutor"] = "LocalExecutor"
    """``LocalExecutor`` runs tasks beside the scheduler, the other each in a pod of its own."""
    parallelism: Annotated[int, Field(strict=True, ge=1, le=64)] = 6
    """How many tasks run at once; memory for them is laid aside."""
    dags: Dags = Dags()
    """Where the DAGs come from."""
    admin_user: Login = "admin"
    """The login of the first user; its password is a secret of the SOPS file."""
    admin_email: Email
    """The first user's address."""
    logs_bucket: Bucket = "airflow-logs"
    """Where tasks' logs are kept; one of MinIO's buckets."""


def scheduler_memory(airflow: Airflow) -> Size:
    """Return what Airflow's scheduler may take, with the tasks that run beside it."""
    local = airflow.parallelism if airflow.executor == "LocalExecutor" else 0
    return Size(SCHEDULER_MEMORY + local * TASK_MEMORY)


class Dbt(Model):
    """What dbt with DuckDB is given when Airflow runs it as a task."""

    bucket: Bucket = "warehouse"
    """Where models and data are; one of MinIO's buckets."""
    threads: Annotated[int, Field(strict=True, ge=1, le=64)] = 2
    """How many models dbt builds at once."""
    memory: Size = Size(2 * GIB)
    """DuckDB's limit; the task's pod has 512MiB more."""
    scratch: Size = Size(10 * GIB)
    """Room on the worker's disk for what does not fit into memory; it goes with the task."""


class Backup(Model):
    """The second S3 target, to which PostgreSQL and MinIO are copied; its keys are secrets."""

    endpoint: Endpoint
    """Where its S3 API answers, such as ``https://s3.eu-central-003.backblazeb2.com``."""
    region: Region = "us-east-1"
    """What requests are signed for."""
    bucket: Bucket
    """A bucket that is there already, for copies alone."""
    prefix: DnsLabel = "home"
    """The folder in the bucket below which all copies are; no other cluster has the same."""
    schedule: Schedule = "0 3 * * *"
    """When copies are made, as cron writes it (minute, hour, day, month, weekday), in UTC."""
    retention_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = 7
    """How far back a restore can go, in days. MinIO is copied whole each time."""

    @property
    def port(self) -> int:
        """The port that the endpoint listens on."""
        url = urlsplit(self.endpoint)
        return url.port or {"http": 80, "https": 443}[url.scheme]


class Services(Model):
    """The platform's services."""

    domains: Domains
    """The names that the NGINX front on the KVM host serves."""
    node_ports: NodePorts = NodePorts()
    """The ports on the nodes behind those names."""
    postgresql: PostgreSQL = PostgreSQL()
    """The database cluster."""
    minio: MinIO = MinIO()
    """The object store."""
    airflow: Airflow
    """The scheduler of the platform's work."""
    dbt: Dbt = Dbt()
    """dbt with DuckDB, run by Airflow."""
    backup: Backup | None = None
    """The second S3 target; without it nothing is backed up."""
