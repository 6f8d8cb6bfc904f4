"""What our own charts will be told, from the settings alone, and judged before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ampere_infra.platform import chart_schema, storage_values
from ampere_infra.services import dbt_values, minio_values, postgresql_values, workload_values
from ampere_infra.services.minio_values import User
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.home import HomeSettings
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.namespaces import API, WEBSITE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.settings.api import ApiImages
    from ampere_infra.settings.load import Settings
    from ampere_infra.settings.services import Images

CHARTS: Final = Path(__file__).resolve().parents[2] / "charts"
LATER: Final = cast("str", object())
"""Stands for what only a run knows, such as the name of a Secret that it makes."""


def judge(settings: Settings) -> None:
    """Make sure that our charts take what they will be told.

    Upstream's charts are not at hand: Helm judges what they are told when it has fetched them.

    Raises:
        SettingsError: they would refuse it; with every mistake there is.
    """
    told = chart_values(settings)
    found = [wrong for name in told for wrong in chart_schema.mistakes(CHARTS / name, told[name])]
    if found:
        raise SettingsError(found)


def chart_values(settings: Settings) -> Mapping[str, dict[str, Any]]:
    """Return the values of each chart of ours; ``LATER`` is what is not known yet."""
    if isinstance(settings, HomeSettings):
        return _storage(settings.images) | _home(settings)
    if isinstance(settings, ApiSettings):
        return _storage(settings.images) | _api(settings)
    return {}


def _storage(images: Images | ApiImages) -> dict[str, dict[str, Any]]:
    provisioner, helper = images.local_path_provisioner, images.local_path_helper
    return {"local-path": storage_values.values(provisioner, helper)}


def _home(settings: HomeSettings) -> dict[str, dict[str, Any]]:
    return {
        "postgresql": postgresql_values.values(_postgresql(settings)),
        "minio": minio_values.values(_minio(settings)),
        "dbt": dbt_values.values(
            dbt_values.ChartFacts(settings.services.dbt, settings.images.dbt, LATER, LATER)
        ),
    }


def _api(settings: ApiSettings) -> dict[str, dict[str, Any]]:
    workloads = {API: settings.api, WEBSITE: settings.website}
    return {name: workload_values.values(each, LATER) for name, each in workloads.items()}


def _postgresql(settings: HomeSettings) -> postgresql_values.ChartFacts:
    return postgresql_values.ChartFacts(
        settings=settings.services.postgresql,
        image=settings.images.postgresql,
        storage_class=storage_values.STORAGE_CLASS,
        secrets=dict.fromkeys(postgresql_values.DATABASES, LATER),
        revision=LATER,
        backup=settings.services.backup,
        backup_secret=LATER,
        recovery=settings.recovery,
    )


def _minio(settings: HomeSettings) -> minio_values.ChartFacts:
    services = settings.services
    users = [
        User(who, LATER, LATER, buckets)
        for who, buckets in minio_values.buckets_of(services).items()
    ]
    if services.backup:
        users.append(
            User(minio_values.READER, LATER, LATER, services.minio.buckets, read_only=True)
        )
    return minio_values.ChartFacts(
        settings=services.minio,
        domains=services.domains,
        node_ports=services.node_ports,
        image=settings.images.minio,
        client_image=settings.images.minio_client,
        storage_class=storage_values.STORAGE_CLASS,
        root_secret=LATER,
        root_revision=LATER,
        users=users,
        backup=services.backup,
        backup_secret=LATER,
    )
