"""The settings of the platform's services and their images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.types import (
    GIB,
    Bucket,
    DnsName,
    Email,
    ImageReference,
    Login,
    Model,
    NodePort,
    Size,
)


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
    dbt: ImageReference
    """dbt with DuckDB, for Airflow's tasks."""


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


class Airflow(Model):
    """The scheduler of the platform's work."""

    executor: Literal["LocalExecutor", "KubernetesExecutor"] = "KubernetesExecutor"
    """``KubernetesExecutor`` runs each task in a pod of its own."""
    admin_user: Login = "admin"
    """The login of the first user; its password is a secret of the SOPS file."""
    admin_email: Email
    """The first user's address."""
    logs_bucket: Bucket = "airflow-logs"
    """Where tasks' logs are kept; one of MinIO's buckets."""


class Dbt(Model):
    """What dbt with DuckDB is given when Airflow runs it as a task."""

    bucket: Bucket = "warehouse"
    """Where models and data are; one of MinIO's buckets."""
    threads: Annotated[int, Field(strict=True, ge=1, le=64)] = 2
    """How many models dbt builds at once."""
    memory: Size = Size(2 * GIB)
    """The limit of the task's pod and of DuckDB inside it."""


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
