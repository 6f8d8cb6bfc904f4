"""MinIO: the S3 object store, its buckets, and a user for each consumer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.quantity import quantity
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.services.traffic import MINIO, S3_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.platform.target import Target
    from ampere_infra.settings.services import Domains, NodePorts
    from ampere_infra.settings.services import MinIO as MinIOSettings

REGION = "us-east-1"
"""What S3 clients sign their requests for; MinIO's own default."""


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
        users = {who: self._user(who, namespace, args) for who in args.consumers}
        release = helm_release(
            args.target,
            ReleaseArgs(
                name=MINIO,
                namespace=MINIO,
                chart=OurChart("minio"),
                values=values(args, root, users),
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

    def _root(self, namespace: Namespace, args: MinIOArgs) -> Credentials:
        entries = {"rootUser": args.root_user, "rootPassword": args.root_password}
        return self._secret("minio-root", namespace, entries, args)

    def _user(self, who: str, namespace: Namespace, args: MinIOArgs) -> Credentials:
        login = args.consumers[who].login
        entries = {"accessKey": login.access_key, "secretKey": login.secret_key}
        return self._secret(f"minio-user-{who}", namespace, entries, args)

    def _secret(
        self,
        name: str,
        namespace: Namespace,
        entries: Mapping[str, pulumi.Input[str]],
        args: MinIOArgs,
    ) -> Credentials:
        return credentials(CredentialsArgs(name, namespace.ready_name, entries, args.target), self)


def values(args: MinIOArgs, root: Credentials, users: Mapping[str, Credentials]) -> dict[str, Any]:
    """Return the values of our chart."""
    return {
        "image": args.image,
        "clientImage": args.client_image,
        "region": REGION,
        "browserRedirectUrl": f"http://{args.domains.minio}",
        "existingSecret": root.name,
        "secretRevision": root.revision,
        "persistence": {
            "size": quantity(args.settings.storage),
            "storageClass": args.storage_class,
        },
        "nodePorts": {"s3": args.node_ports.s3, "console": args.node_ports.minio},
        "buckets": list(args.settings.buckets),
        "users": [
            {
                "name": who,
                "existingSecret": user.name,
                "secretRevision": user.revision,
                "buckets": list(args.consumers[who].buckets),
            }
            for who, user in users.items()
        ],
    }
