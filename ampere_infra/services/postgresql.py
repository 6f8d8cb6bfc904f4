"""PostgreSQL by CloudNativePG: one cluster, a database and a role for each consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import (
    OurChart,
    ReleaseArgs,
    UpstreamChart,
    helm_release,
)
from ampere_infra.services import postgresql_values
from ampere_infra.services.barman import BarmanCloud, BarmanCloudArgs
from ampere_infra.services.postgresql_values import DATABASES
from ampere_infra.settings.flows import POSTGRES_PORT
from ampere_infra.settings.namespaces import OPERATOR, POSTGRESQL
from ampere_infra.settings.recovery import NEVER, Recovery

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target
    from ampere_infra.services.backup import BackupTarget
    from ampere_infra.settings.services import PostgreSQL as PostgreSQLSettings

REPOSITORY = "https://cloudnative-pg.github.io/charts"


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
    backup: BackupTarget | None = None
    """Where the write-ahead log and base backups go."""
    barman_version: str = ""
    """The chart of the plugin that takes them there."""
    recovery: Recovery = NEVER
    """Which generation of the cluster this is, and what it is made from."""


class PostgreSQL(pulumi.ComponentResource):
    """The operator, the cluster, and its databases once a login to each has worked."""

    databases: Mapping[str, Database]
    release: pulumi.Resource

    def __init__(
        self, name: str, args: PostgreSQLArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:PostgreSQL", name, None, opts)
        operators = self._namespace(OPERATOR, args)
        operator = self._operator(operators, args)
        plugins = [self._plugin(operators, operator, args)] if args.backup else []
        namespace = self._namespace(POSTGRESQL, args)
        logins = {database: self._login(database, namespace, args) for database in DATABASES}
        release = helm_release(
            args.target,
            ReleaseArgs(
                name=POSTGRESQL,
                namespace=POSTGRESQL,
                chart=OurChart("postgresql"),
                values=postgresql_values.values(self._facts(namespace, logins, args)),
                wait_for_jobs=True,
            ),
            self,
            [operator, *plugins, namespace],
        )
        self.release = release
        host = f"{args.recovery.cluster}-rw.{POSTGRESQL}.svc.{args.dns_domain}"
        ready_host = after(host, release)
        self.databases = {
            database: Database(ready_host, POSTGRES_PORT, database, database, login.name)
            for database, login in logins.items()
        }
        self.register_outputs({"host": ready_host})

    def _facts(
        self, namespace: Namespace, logins: Mapping[str, Credentials], args: PostgreSQLArgs
    ) -> postgresql_values.ChartFacts:
        backup = args.backup and args.backup.secret(
            "postgresql-backup", namespace.ready_name, args.target, self
        )
        revisions = [login.revision for login in logins.values()]
        return postgresql_values.ChartFacts(
            settings=args.settings,
            image=args.image,
            storage_class=args.storage_class,
            secrets={database: login.name for database, login in logins.items()},
            revision=pulumi.Output.all(*revisions).apply("-".join),
            backup=args.backup and args.backup.settings,
            backup_secret=backup and backup.name,
            recovery=args.recovery,
        )

    def _namespace(self, name: str, args: PostgreSQLArgs) -> Namespace:
        return Namespace(
            name, NamespaceArgs(name, args.target), pulumi.ResourceOptions(parent=self)
        )

    def _operator(self, namespace: Namespace, args: PostgreSQLArgs) -> pulumi.Resource:
        return helm_release(
            args.target,
            ReleaseArgs(
                name="cloudnative-pg",
                namespace=OPERATOR,
                chart=UpstreamChart(REPOSITORY, "cloudnative-pg", args.operator_version),
                values=operator_values(),
            ),
            self,
            [namespace],
        )

    def _plugin(
        self, namespace: Namespace, operator: pulumi.Resource, args: PostgreSQLArgs
    ) -> pulumi.Resource:
        return BarmanCloud(
            "barman-cloud",
            BarmanCloudArgs(args.target, args.barman_version, namespace),
            [operator],
            pulumi.ResourceOptions(parent=self),
        ).release

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
