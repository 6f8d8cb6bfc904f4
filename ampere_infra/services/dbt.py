"""What dbt with DuckDB is told when Airflow runs it: where its data is, and how big it may get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.credentials import CredentialsArgs, credentials
from ampere_infra.platform.outputs import after
from ampere_infra.settings.types import MIB

if TYPE_CHECKING:
    from ampere_infra.platform.namespace import Namespace
    from ampere_infra.platform.target import Target
    from ampere_infra.services.minio import ObjectStore
    from ampere_infra.settings.services import Dbt as DbtSettings

SETTINGS = "dbt-settings"
LOGIN = "dbt-s3"


@dataclass(frozen=True)
class Transformations:
    """What Airflow hands to its dbt tasks, by the names of the objects that hold it."""

    config_map_name: pulumi.Output[str]
    """Environment: ``DBT_S3_ENDPOINT``, ``DBT_S3_REGION``, ``DBT_S3_BUCKET``, ``DBT_IMAGE``..."""
    secret_name: pulumi.Output[str]
    """Environment: ``DBT_S3_ACCESS_KEY_ID`` and ``DBT_S3_SECRET_ACCESS_KEY``."""
    revision: pulumi.Output[str]
    image: str


@dataclass(frozen=True)
class DbtArgs:
    """The settings of dbt's tasks, which run in ``namespace``."""

    target: Target
    settings: DbtSettings
    namespace: Namespace
    store: ObjectStore
    image: str
    consumer: str = "dbt"
    """Its name among the object store's consumers."""


class Dbt(pulumi.ComponentResource):
    """A ConfigMap and a Secret beside Airflow, ready for tasks to take their environment from."""

    transformations: Transformations

    def __init__(
        self, name: str, args: DbtArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:Dbt", name, None, opts)
        login = args.store.logins[args.consumer]
        secret = credentials(
            CredentialsArgs(
                name=LOGIN,
                namespace=args.namespace.ready_name,
                values={
                    "DBT_S3_ACCESS_KEY_ID": login.access_key,
                    "DBT_S3_SECRET_ACCESS_KEY": login.secret_key,
                },
                target=args.target,
            ),
            self,
        )
        config_map = kubernetes.core.v1.ConfigMap(
            SETTINGS,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=SETTINGS, namespace=args.namespace.ready_name
            ),
            data=environment(args),
            opts=args.target.child(self),
        )
        self.transformations = Transformations(
            config_map_name=after(SETTINGS, config_map),
            secret_name=secret.name,
            revision=secret.revision,
            image=args.image,
        )
        self.register_outputs({"settings": self.transformations.config_map_name})


def environment(args: DbtArgs) -> dict[str, pulumi.Input[str]]:
    """Return the tasks' environment, without the login."""
    return {
        "DBT_S3_ENDPOINT": args.store.endpoint,
        "DBT_S3_REGION": args.store.region,
        "DBT_S3_BUCKET": args.settings.bucket,
        "DBT_S3_LOGIN_SECRET": LOGIN,
        "DBT_THREADS": str(args.settings.threads),
        # DuckDB's memory_limit; the pod needs some more for Python itself.
        "DBT_MEMORY_LIMIT": f"{args.settings.memory // MIB}MiB",
        "DBT_IMAGE": args.image,
    }
