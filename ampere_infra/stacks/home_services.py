"""The home cluster's services: each waits for what it works with because it needs its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.files import secrets_file
from ampere_infra.services.airflow import Airflow, AirflowArgs, AirflowKeys
from ampere_infra.services.airflow_dags import needs_ssh_key
from ampere_infra.services.backup import backup_target
from ampere_infra.services.dbt import Dbt, DbtArgs
from ampere_infra.services.minio import AccessKey, Consumer, MinIO, MinIOArgs
from ampere_infra.services.minio_values import buckets_of
from ampere_infra.services.postgresql import PostgreSQL, PostgreSQLArgs
from ampere_infra.settings.namespaces import AIRFLOW, MINIO, POSTGRESQL

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target
    from ampere_infra.secrets.model import HomeSecrets
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.services import Dags


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
        platform=postgresql.databases["platform"],
        platform_password=secrets.output("postgresql_platform_password"),
        store=minio.store,
        transformations=dbt.transformations,
        keys=AirflowKeys(
            fernet_key=secrets.output("airflow_fernet_key"),
            api_secret_key=secrets.output("airflow_api_secret_key"),
            jwt_secret=secrets.output("airflow_jwt_secret"),
            admin_password=secrets.output("airflow_admin_password"),
        ),
        dags_login=_dags_login(settings.services.airflow.dags, secrets),
    )
    return DataPlatform(postgresql, minio, Airflow("airflow", args, opts))


def _dags_login(dags: Dags, secrets: HomeSecrets) -> pulumi.Output[str] | None:
    """Return what opens the DAGs' repository, if it is not open to all.

    Raises:
        SecretsError: the settings name a repository for which the login is missing.
    """
    if needs_ssh_key(dags):
        name, why = "airflow_git_ssh_key", f"{dags.repository} is reached by SSH"
    elif dags.user is not None:
        name, why = "airflow_git_token", f"{dags.repository} is opened by {dags.user}'s token"
    else:
        return None
    if getattr(secrets, name) is None:
        remedy = f"{name} is missing: {why} (ampere:services.airflow.dags); `ampere secrets init`"
        raise SecretsError(secrets_file("home").as_posix(), remedy)
    return secrets.output(name)


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
        backup=backup_target(settings.services.backup, secrets),
        barman_version=settings.versions.barman_cloud,
        recovery=settings.recovery,
    )
    return PostgreSQL("postgresql", args, opts)


def _minio(
    settings: HomeSettings,
    secrets: HomeSecrets,
    target: Target,
    storage_class: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> MinIO:
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
                buckets,
            )
            for who, buckets in buckets_of(settings.services).items()
        },
        dns_domain=settings.cluster.dns_domain,
        backup=backup_target(settings.services.backup, secrets),
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
