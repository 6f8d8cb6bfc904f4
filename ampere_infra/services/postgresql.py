"""PostgreSQL by CloudNativePG: one cluster, a database and a role for each consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.quantity import quantity
from ampere_infra.platform.release import (
    OurChart,
    ReleaseArgs,
    UpstreamChart,
    helm_release,
)
from ampere_infra.services.traffic import OPERATOR, POSTGRES_PORT, POSTGRESQL

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target
    from ampere_infra.settings.services import PostgreSQL as PostgreSQLSettings

REPOSITORY = "https://cloudnative-pg.github.io/charts"
DATABASES = ("airflow", "platform")
"""Each belongs to the role of the same name, and no other role may connect to it."""


@dataclass(frozen=True)
class Database:
    """A database that accepts logins: what its consumer needs to know."""

    host: pulumi.Output[str]
    port: int
    name: str
    user: str
    secret_name: pulumi.Output[str]
    """Where the login is kept: keys ``username`` and ``password``."""


@dataclass(frozen=True)
class PostgreSQLArgs:
    """The database cluster."""

    target: Target
    settings: PostgreSQLSettings
    operator_version: str
    """The operator's chart."""
    image: str
    storage_class: pulumi.Input[str]
    passwords: Mapping[str, pulumi.Input[str]]
    """By database: one for each of ``DATABASES``."""
    dns_domain: str = "cluster.local"


class PostgreSQL(pulumi.ComponentResource):
    """The operator, the cluster, and its databases once a login to each has worked."""

    databases: Mapping[str, Database]
    release: pulumi.Resource

    def __init__(
        self, name: str, args: PostgreSQLArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:PostgreSQL", name, None, opts)
        operator = self._operator(args)
        namespace = self._namespace(POSTGRESQL, args)
        logins = {database: self._login(database, namespace, args) for database in DATABASES}
        release = helm_release(
            args.target,
            ReleaseArgs(
                name=POSTGRESQL,
                namespace=POSTGRESQL,
                chart=OurChart("postgresql"),
                values=values(args, logins),
                wait_for_jobs=True,
            ),
            self,
            [operator, namespace],
        )
        self.release = release
        host = f"postgresql-rw.{POSTGRESQL}.svc.{args.dns_domain}"
        ready_host = after(host, release)
        self.databases = {
            database: Database(ready_host, POSTGRES_PORT, database, database, login.name)
            for database, login in logins.items()
        }
        self.register_outputs({"host": ready_host})

    def _namespace(self, name: str, args: PostgreSQLArgs) -> Namespace:
        return Namespace(
            name, NamespaceArgs(name, args.target), pulumi.ResourceOptions(parent=self)
        )

    def _operator(self, args: PostgreSQLArgs) -> pulumi.Resource:
        return helm_release(
            args.target,
            ReleaseArgs(
                name="cloudnative-pg",
                namespace=OPERATOR,
                chart=UpstreamChart(REPOSITORY, "cloudnative-pg", args.operator_version),
                values=operator_values(),
            ),
            self,
            [self._namespace(OPERATOR, args)],
        )

    def _login(self, database: str, namespace: Namespace, args: PostgreSQLArgs) -> Credentials:
        return credentials(
            CredentialsArgs(
                name=f"postgresql-{database}",
                namespace=namespace.ready_name,
                values={"username": database, "password": args.passwords[database]},
                target=args.target,
                kind="kubernetes.io/basic-auth",
                # The operator sets the role's password anew when this Secret changes.
                labels={"cnpg.io/reload": "true"},
            ),
            self,
        )


def operator_values() -> dict[str, Any]:
    """Return the values of the operator's chart."""
    return {
        "replicaCount": 1,
        "crds": {"create": True},
        "monitoring": {"podMonitorEnabled": False},
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"},
        },
    }


def values(args: PostgreSQLArgs, logins: Mapping[str, Credentials]) -> dict[str, Any]:
    """Return the values of our chart."""
    revisions = [login.revision for login in logins.values()]
    return {
        "image": args.image,
        "instances": args.settings.instances,
        "storage": {"size": quantity(args.settings.storage), "storageClass": args.storage_class},
        "databases": [
            {"name": name, "owner": name, "existingSecret": login.name}
            for name, login in logins.items()
        ],
        "readiness": {"revision": pulumi.Output.all(*revisions).apply("-".join)},
    }
