"""The home cluster's services: each waits for what it works with because it needs its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.services.airflow import Airflow, AirflowArgs, AirflowKeys
from ampere_infra.services.dbt import Dbt, DbtArgs
from ampere_infra.services.minio import AccessKey, Consumer, MinIO, MinIOArgs
from ampere_infra.services.postgresql import PostgreSQL, PostgreSQLArgs
from ampere_infra.services.traffic import AIRFLOW, MINIO, POSTGRESQL

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target
    from ampere_infra.secrets.model import HomeSecrets
    from ampere_infra.settings.home import HomeSettings


@dataclass(frozen=True)
class DataPlatform:
    """The services, ready."""

    postgresql: PostgreSQL
    minio: MinIO
    airflow: Airflow


def data_platform(
    settings: HomeSettings,
    secrets: HomeSecrets,
    target: Target,
    storage_class: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> DataPlatform:
    """Declare PostgreSQL, MinIO, and Airflow with its dbt tasks.

    Args:
        settings: the stack's settings.
        secrets: the stack's secrets.
        target: the cluster with its workers.
        storage_class: what volumes are made of, known once they can be had.
        opts: carries the cluster's provider.
    """
    postgresql = _postgresql(settings, secrets, target, storage_class, opts)
    minio = _minio(settings, secrets, target, storage_class, opts)
    namespace = Namespace(AIRFLOW, NamespaceArgs(AIRFLOW, target), opts)
    dbt = Dbt(
        "dbt",
        DbtArgs(target, settings.services.dbt, namespace, minio.store, settings.images.dbt),
        opts,
    )
    args = AirflowArgs(
        target=target,
        settings=settings.services.airflow,
        namespace=namespace,
        version=settings.versions.airflow,
        image=settings.images.airflow,
        domain=settings.services.domains.airflow,
        node_port=settings.services.node_ports.airflow,
        database=postgresql.databases["airflow"],
        database_password=secrets.output("postgresql_airflow_password"),
        store=minio.store,
        transformations=dbt.transformations,
        keys=AirflowKeys(
            fernet_key=secrets.output("airflow_fernet_key"),
            api_secret_key=secrets.output("airflow_api_secret_key"),
            jwt_secret=secrets.output("airflow_jwt_secret"),
            admin_password=secrets.output("airflow_admin_password"),
        ),
    )
    return DataPlatform(postgresql, minio, Airflow("airflow", args, opts))


def _postgresql(
    settings: HomeSettings,
    secrets: HomeSecrets,
    target: Target,
    storage_class: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> PostgreSQL:
    args = PostgreSQLArgs(
        target=target,
        settings=settings.services.postgresql,
        operator_version=settings.versions.cloudnative_pg,
        image=settings.images.postgresql,
        storage_class=storage_class,
        passwords={
            "airflow": secrets.output("postgresql_airflow_password"),
            "platform": secrets.output("postgresql_platform_password"),
        },
        dns_domain=settings.cluster.dns_domain,
    )
    return PostgreSQL("postgresql", args, opts)


def _minio(
    settings: HomeSettings,
    secrets: HomeSecrets,
    target: Target,
    storage_class: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> MinIO:
    buckets = {
        "airflow": settings.services.airflow.logs_bucket,
        "dbt": settings.services.dbt.bucket,
    }
    args = MinIOArgs(
        target=target,
        settings=settings.services.minio,
        domains=settings.services.domains,
        node_ports=settings.services.node_ports,
        image=settings.images.minio,
        client_image=settings.images.minio_client,
        storage_class=storage_class,
        root_user=secrets.output("minio_root_user"),
        root_password=secrets.output("minio_root_password"),
        consumers={
            who: Consumer(
                AccessKey(
                    secrets.output(f"minio_{who}_access_key"),
                    secrets.output(f"minio_{who}_secret_key"),
                ),
                (bucket,),
            )
            for who, bucket in buckets.items()
        },
        dns_domain=settings.cluster.dns_domain,
    )
    return MinIO("minio", args, opts)


def export_services(settings: HomeSettings, platform: DataPlatform) -> None:
    """Export where the services are, and which Secrets hold their logins."""
    domains = settings.services.domains
    store = platform.minio.store
    urls = {
        "airflow": platform.airflow.url,
        "minio": store.endpoint.apply(lambda _: f"http://{domains.minio}"),
        "s3": store.endpoint.apply(lambda _: f"http://{domains.s3}"),
    }
    databases = {
        name: pulumi.Output.format("postgresql://{0}:{1}/{2}", base.host, base.port, base.name)
        for name, base in platform.postgresql.databases.items()
    }
    logins = {
        "airflow": pulumi.Output.concat(AIRFLOW, "/", platform.airflow.admin_secret_name),
        "minio": pulumi.Output.concat(MINIO, "/", store.root_secret_name),
        **{
            f"postgresql_{name}": pulumi.Output.concat(POSTGRESQL, "/", base.secret_name)
            for name, base in platform.postgresql.databases.items()
        },
    }
    pulumi.export("services", urls)
    pulumi.export("databases", databases)
    pulumi.export("login_secrets", logins)
