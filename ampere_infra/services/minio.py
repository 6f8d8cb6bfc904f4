"""MinIO: the S3 object store, its buckets, and a user for each consumer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_random as random

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.services import minio_values
from ampere_infra.services.minio_values import READER, REGION, User
from ampere_infra.settings.flows import S3_PORT
from ampere_infra.settings.namespaces import MINIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.platform.target import Target
    from ampere_infra.services.backup import BackupTarget
    from ampere_infra.settings.services import Domains, NodePorts
    from ampere_infra.settings.services import MinIO as MinIOSettings

READER_KEY = "ampere-backup"
"""The access key of who reads the buckets to copy them."""


@dataclass(frozen=True)
class AccessKey:
    """An S3 login; both halves are secrets."""

    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]


@dataclass(frozen=True)
class Consumer:
    """Who uses the store, with which login, and the only buckets that it may read and write."""

    login: AccessKey
    buckets: tuple[str, ...]
    read_only: bool = False


@dataclass(frozen=True)
class ObjectStore:
    """The store once its buckets and users are there: what a consumer needs to know."""

    endpoint: pulumi.Output[str]
    """The S3 address inside the cluster."""
    region: str
    buckets: tuple[str, ...]
    logins: Mapping[str, AccessKey]
    """By consumer. Each puts its own into a Secret in its own namespace."""
    root_secret_name: pulumi.Output[str]


@dataclass(frozen=True)
class MinIOArgs:
    """The object store."""

    target: Target
    settings: MinIOSettings
    domains: Domains
    node_ports: NodePorts
    image: str
    client_image: str
    storage_class: pulumi.Input[str]
    root_user: pulumi.Input[str]
    root_password: pulumi.Input[str]
    consumers: Mapping[str, Consumer]
    dns_domain: str = "cluster.local"
    backup: BackupTarget | None = None
    """Where copies of all buckets go."""


class MinIO(pulumi.ComponentResource):
    """The release, ready when the Job that makes buckets and users has succeeded."""

    store: ObjectStore
    release: pulumi.Resource

    def __init__(
        self, name: str, args: MinIOArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:MinIO", name, None, opts)
        namespace = Namespace(
            MINIO, NamespaceArgs(MINIO, args.target), pulumi.ResourceOptions(parent=self)
        )
        root = self._root(namespace, args)
        release = helm_release(
            args.target,
            ReleaseArgs(
                name=MINIO,
                namespace=MINIO,
                chart=OurChart("minio"),
                values=minio_values.values(self._facts(namespace, root, args)),
                wait_for_jobs=True,
            ),
            self,
            [namespace],
        )
        self.release = release
        endpoint = f"http://minio.{MINIO}.svc.{args.dns_domain}:{S3_PORT}"
        self.store = ObjectStore(
            endpoint=after(endpoint, release),
            region=REGION,
            buckets=args.settings.buckets,
            logins={who: consumer.login for who, consumer in args.consumers.items()},
            root_secret_name=root.name,
        )
        self.register_outputs({"endpoint": self.store.endpoint})

    def _facts(
        self, namespace: Namespace, root: Credentials, args: MinIOArgs
    ) -> minio_values.ChartFacts:
        consumers = {**args.consumers, **self._reader(args)}
        backup = args.backup and args.backup.secret(
            "minio-backup", namespace.ready_name, args.target, self
        )
        return minio_values.ChartFacts(
            settings=args.settings,
            domains=args.domains,
            node_ports=args.node_ports,
            image=args.image,
            client_image=args.client_image,
            storage_class=args.storage_class,
            root_secret=root.name,
            root_revision=root.revision,
            users=[self._user(who, used, namespace, args) for who, used in consumers.items()],
            backup=args.backup and args.backup.settings,
            backup_secret=backup and backup.name,
        )

    def _root(self, namespace: Namespace, args: MinIOArgs) -> Credentials:
        entries = {"rootUser": args.root_user, "rootPassword": args.root_password}
        return self._secret("minio-root", namespace, entries, args)

    def _reader(self, args: MinIOArgs) -> dict[str, Consumer]:
        """Return who copies the buckets; its login is for two pods, so no person keeps it."""
        if args.backup is None:
            return {}
        password = random.RandomPassword(
            f"{READER}-user",
            length=40,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        login = AccessKey(READER_KEY, password.result)
        return {READER: Consumer(login, args.settings.buckets, read_only=True)}

    def _user(self, who: str, used: Consumer, namespace: Namespace, args: MinIOArgs) -> User:
        entries = {"accessKey": used.login.access_key, "secretKey": used.login.secret_key}
        secret = self._secret(f"minio-user-{who}", namespace, entries, args)
        return User(who, secret.name, secret.revision, used.buckets, used.read_only)

    def _secret(
        self,
        name: str,
        namespace: Namespace,
        entries: Mapping[str, pulumi.Input[str]],
        args: MinIOArgs,
    ) -> Credentials:
        return credentials(CredentialsArgs(name, namespace.ready_name, entries, args.target), self)
