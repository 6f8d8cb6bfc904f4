"""Airflow: the scheduler of the platform's work, by its official chart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import ReleaseArgs, UpstreamChart, helm_release
from ampere_infra.services.airflow_connections import connections, database_url
from ampere_infra.services.airflow_dags import GIT, login_entries
from ampere_infra.services.airflow_values import (
    ADMIN,
    CONNECTIONS,
    KEYS,
    REPOSITORY,
    ChartFacts,
    values,
)
from ampere_infra.settings.flows import AIRFLOW_API, AIRFLOW_PORT
from ampere_infra.settings.namespaces import AIRFLOW
from ampere_infra.settings.traffic import pod_set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.platform.namespace import Namespace
    from ampere_infra.platform.target import Target
    from ampere_infra.services.dbt import Transformations
    from ampere_infra.services.minio import ObjectStore
    from ampere_infra.services.postgresql import Database
    from ampere_infra.settings.services import Airflow as AirflowSettings


@dataclass(frozen=True)
class AirflowKeys:
    """Airflow's own secrets."""

    fernet_key: pulumi.Input[str]
    api_secret_key: pulumi.Input[str]
    jwt_secret: pulumi.Input[str]
    admin_password: pulumi.Input[str]


@dataclass(frozen=True)
class AirflowArgs:
    """Airflow, and what it works with: it waits for each of them because it needs their outputs."""

    target: Target
    settings: AirflowSettings
    namespace: Namespace
    version: str
    """The chart's."""
    image: str
    domain: str
    node_port: int
    database: Database
    """Airflow's own."""
    database_password: pulumi.Input[str]
    platform: Database
    """What tasks work on."""
    platform_password: pulumi.Input[str]
    store: ObjectStore
    transformations: Transformations
    keys: AirflowKeys
    dags_login: pulumi.Input[str] | None = None
    """The token or the SSH key that opens the DAGs' repository, where it takes one."""
    consumer: str = "airflow"
    """Its name among the object store's consumers."""


class Airflow(pulumi.ComponentResource):
    """The release, its Secrets, and the Service that the host's NGINX asks."""

    release: pulumi.Resource
    url: pulumi.Output[str]
    """Where people find it, known once it answers."""
    admin_secret_name: pulumi.Output[str]
    """Where the admin's login is kept: keys ``username`` and ``password``."""

    def __init__(
        self, name: str, args: AirflowArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:Airflow", name, None, opts)
        secrets = {key: self._secret(key, args, entries) for key, entries in _entries(args).items()}
        release = helm_release(
            args.target,
            ReleaseArgs(
                name=AIRFLOW,
                namespace=AIRFLOW,
                chart=UpstreamChart(REPOSITORY, "airflow", args.version),
                values=values(_facts(args, secrets)),
            ),
            self,
            [args.namespace],
        )
        self.release = release
        self._front(args, release)
        self.admin_secret_name = secrets[ADMIN].name
        self.url = after(f"http://{args.domain}", release)
        self.register_outputs({"url": self.url})

    def _secret(
        self, name: str, args: AirflowArgs, entries: Mapping[str, pulumi.Input[str]]
    ) -> Credentials:
        return credentials(
            CredentialsArgs(name, args.namespace.ready_name, entries, args.target), self
        )

    def _front(self, args: AirflowArgs, release: pulumi.Resource) -> None:
        """Make the NodePort, which the chart's own Service cannot limit to the local node."""
        kubernetes.core.v1.Service(
            "airflow-front",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name="airflow-front", namespace=args.namespace.ready_name
            ),
            spec=kubernetes.core.v1.ServiceSpecArgs(
                type="NodePort",
                # Keeps the host's address, which is all that the NetworkPolicy lets in.
                external_traffic_policy="Local",
                selector={**_api_labels(), "release": AIRFLOW},
                ports=[
                    kubernetes.core.v1.ServicePortArgs(
                        name="http",
                        port=AIRFLOW_PORT,
                        target_port=AIRFLOW_PORT,
                        node_port=args.node_port,
                    )
                ],
            ),
            opts=args.target.child(self, [release]),
        )


def _api_labels() -> dict[str, str]:
    pods = pod_set(AIRFLOW_API)
    return dict(pods.labels) if pods else {}


def _entries(args: AirflowArgs) -> dict[str, dict[str, pulumi.Input[str]]]:
    login = args.dags_login
    return {
        # The chart asks for four Secrets, each with a key of its own: one holds them all.
        KEYS: {
            "connection": database_url(args.database, args.database_password),
            "fernet-key": args.keys.fernet_key,
            "api-secret-key": args.keys.api_secret_key,
            "jwt-secret": args.keys.jwt_secret,
        },
        ADMIN: {
            "username": args.settings.admin_user,
            "password": args.keys.admin_password,
        },
        CONNECTIONS: connections(args),
        **({GIT: login_entries(args.settings.dags, login)} if login is not None else {}),
    }


def _facts(args: AirflowArgs, secrets: Mapping[str, Credentials]) -> ChartFacts:
    revisions = [secret.revision for secret in secrets.values()]
    return ChartFacts(
        settings=args.settings,
        image=args.image,
        domain=args.domain,
        secret_names={key: secret.name for key, secret in secrets.items()},
        revision=pulumi.Output.all(*revisions, args.transformations.revision).apply("-".join),
        dbt_config_map=args.transformations.config_map_name,
        dbt_secret=args.transformations.secret_name,
        dbt_pod_template=args.transformations.pod_template_config_map,
    )
