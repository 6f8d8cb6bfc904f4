"""The values of PostgreSQL's chart: pure, so that they can be judged before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampere_infra.platform.quantity import quantity
from ampere_infra.settings.moments import moment
from ampere_infra.settings.recovery import NEVER, Recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from ampere_infra.settings.services import Backup, PostgreSQL

DATABASES = ("airflow", "platform")
"""Each belongs to the role of the same name, and no other role may connect to it."""


@dataclass(frozen=True)
class ChartFacts:
    """What the values depend on."""

    settings: PostgreSQL
    image: str
    storage_class: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]
    """By database: the name of the Secret with its role's login."""
    revision: pulumi.Input[str]
    """Another one means that a login is another."""
    backup: Backup | None = None
    backup_secret: pulumi.Input[str] | None = None
    """The name of the Secret with the login at the second S3 target."""
    recovery: Recovery = NEVER


def values(facts: ChartFacts) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "image": facts.image,
        "instances": facts.settings.instances,
        "storage": {
            "size": quantity(facts.settings.storage),
            "storageClass": facts.storage_class,
        },
        "databases": [
            {"name": name, "owner": name, "existingSecret": secret}
            for name, secret in facts.secrets.items()
        ],
        "readiness": {"revision": facts.revision},
        **_backup(facts.backup, facts.backup_secret),
        **_recovery(facts.recovery),
    }


def _backup(settings: Backup | None, secret: pulumi.Input[str] | None) -> dict[str, Any]:
    if settings is None:
        return {}
    return {
        "backup": {
            "destinationPath": f"s3://{settings.bucket}/{settings.prefix}/postgresql",
            "endpointUrl": settings.endpoint,
            "existingSecret": secret,
            "schedule": settings.schedule,
            "retention": f"{settings.retention_days}d",
        }
    }


def _recovery(recovery: Recovery) -> dict[str, Any]:
    if recovery == NEVER:
        return {}
    return {
        "recovery": {
            "generation": recovery.generation,
            "source": recovery.source or "",
            "targetTime": _target_time(recovery.to),
            "kept": list(recovery.kept),
        }
    }


def _target_time(to: str | None) -> str:
    """Return ``to`` as ``recovery_target_time`` takes it: PostgreSQL refuses there an RFC 3339 "Z".

    The operator has passed that on as it is: https://github.com/cloudnative-pg/cloudnative-pg/issues/10819
    """
    return f"{moment(to):%Y-%m-%d %H:%M:%S.%f}+00" if to else ""
