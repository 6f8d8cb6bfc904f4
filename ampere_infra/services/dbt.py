"""What dbt with DuckDB is told when Airflow runs it: where its data is, and how big it may get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.credentials import CredentialsArgs, credentials
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.services import dbt_values
from ampere_infra.settings.namespaces import AIRFLOW
from ampere_infra.settings.types import MIB

if TYPE_CHECKING:
    from ampere_infra.platform.namespace import Namespace
    from ampere_infra.platform.target import Target
    from ampere_infra.services.minio import ObjectStore
    from ampere_infra.settings.services import Dbt as DbtSettings

SETTINGS = "dbt-settings"
LOGIN = "dbt-s3"
RELEASE = "dbt"
POD_TEMPLATE = "pod.yaml"
"""The key in the pod template's ConfigMap, and what the file is called where it is mounted."""
POD_TEMPLATE_FOLDER = "/opt/airflow/dbt"
"""Where Airflow's pods have it."""


@dataclass(frozen=True)
class Transformations:
    """What Airflow hands to its dbt tasks, by the names of the objects that hold it."""

    config_map_name: pulumi.Output[str]
    """Environment: ``DBT_S3_ENDPOINT``, ``DBT_S3_REGION``, ``DBT_S3_BUCKET``, ``DBT_IMAGE``..."""
    secret_name: pulumi.Output[str]
    """Environment: ``DBT_S3_ACCESS_KEY_ID`` and ``DBT_S3_SECRET_ACCESS_KEY``."""
    revision: pulumi.Output[str]
    image: str
    pod_template_config_map: pulumi.Output[str]
    """A ConfigMap whose key ``pod.yaml`` is the pod of a task, to be mounted into Airflow's pods
    at ``POD_TEMPLATE_FOLDER``: KubernetesPodOperator's ``pod_template_file``."""
    consumer: str
    """Its name among the object store's consumers."""


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
    """What dbt's tasks are made of, beside Airflow: their pod, its environment and its login.

    The pod is a file in a ConfigMap, not a PodTemplate object: Airflow's operators take a path.
    """

    transformations: Transformations
    release: pulumi.Resource

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
        settings = after(SETTINGS, config_map)
        self.release = self._pod_template(args, settings, secret.name)
        self.transformations = Transformations(
            config_map_name=settings,
            secret_name=secret.name,
            revision=secret.revision,
            image=args.image,
            pod_template_config_map=after(f"{RELEASE}-pod-template", self.release),
            consumer=args.consumer,
        )
        self.register_outputs({"settings": self.transformations.config_map_name})

    def _pod_template(
        self, args: DbtArgs, config_map: pulumi.Output[str], secret: pulumi.Output[str]
    ) -> pulumi.Resource:
        return helm_release(
            args.target,
            ReleaseArgs(
                name=RELEASE,
                namespace=AIRFLOW,
                chart=OurChart("dbt"),
                values=dbt_values.values(
                    dbt_values.ChartFacts(args.settings, args.image, config_map, secret)
                ),
            ),
            self,
            [args.namespace],
        )


def environment(args: DbtArgs) -> dict[str, pulumi.Input[str]]:
    """Return the tasks' environment, without the login."""
    return {
        "DBT_S3_ENDPOINT": args.store.endpoint,
        "DBT_S3_REGION": args.store.region,
        "DBT_S3_BUCKET": args.settings.bucket,
        "DBT_S3_LOGIN_SECRET": LOGIN,
        "DBT_THREADS": str(args.settings.threads),
        # DuckDB's memory_limit.
        "DBT_MEMORY_LIMIT": f"{args.settings.memory // MIB}MiB",
        "DBT_IMAGE": args.image,
        "DBT_POD_TEMPLATE_FILE": f"{POD_TEMPLATE_FOLDER}/{POD_TEMPLATE}",
    }
