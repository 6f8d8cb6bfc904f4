"""The values of MinIO's chart: pure, so that they can be judged before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampere_infra.platform.quantity import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from ampere_infra.settings.services import Backup, Domains, MinIO, NodePorts, Services

REGION = "us-east-1"
"""What S3 clients sign their requests for; MinIO's own default."""
READER = "backup"
"""Who reads the buckets to copy them."""


@dataclass(frozen=True)
class User:
    """Who uses the store, and the only buckets that it may read and write."""

    name: str
    secret: pulumi.Input[str]
    """The name of the Secret with its login."""
    revision: pulumi.Input[str]
    """Another one means that the login is another."""
    buckets: tuple[str, ...]
    read_only: bool = False


@dataclass(frozen=True)
class ChartFacts:
    """What the values depend on."""

    settings: MinIO
    domains: Domains
    node_ports: NodePorts
    image: str
    client_image: str
    storage_class: pulumi.Input[str]
    root_secret: pulumi.Input[str]
    root_revision: pulumi.Input[str]
    users: Sequence[User]
    backup: Backup | None = None
    backup_secret: pulumi.Input[str] | None = None
    """The name of the Secret with the login at the second S3 target."""


def buckets_of(services: Services) -> dict[str, tuple[str, ...]]:
    """Return the platform's consumers of the store, each with its buckets."""
    return {"airflow": (services.airflow.logs_bucket,), "dbt": (services.dbt.bucket,)}


def values(facts: ChartFacts) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "image": facts.image,
        "clientImage": facts.client_image,
        "region": REGION,
        "browserRedirectUrl": f"http://{facts.domains.minio}",
        "existingSecret": facts.root_secret,
        "secretRevision": facts.root_revision,
        "persistence": {
            "size": quantity(facts.settings.storage),
            "storageClass": facts.storage_class,
        },
        "nodePorts": {"s3": facts.node_ports.s3, "console": facts.node_ports.minio},
        "buckets": list(facts.settings.buckets),
        "users": [_user(user) for user in facts.users],
        **_backup(facts.backup, facts.backup_secret),
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "existingSecret": user.secret,
        "secretRevision": user.revision,
        "buckets": list(user.buckets),
        **({"readOnly": True} if user.read_only else {}),
    }


def _backup(settings: Backup | None, secret: pulumi.Input[str] | None) -> dict[str, Any]:
    if settings is None:
        return {}
    return {
        "backup": {
            "endpointUrl": settings.endpoint,
            "bucket": settings.bucket,
            "prefix": settings.prefix,
            "existingSecret": secret,
            "user": READER,
            "schedule": settings.schedule,
            "retentionDays": settings.retention_days,
        }
    }
