"""Checks of the services and of how the cluster is bootstrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import listed, repeated, wrong
from ampere_infra.settings.cluster import PROBE_PAUSE
from ampere_infra.settings.types import GIB, MIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.mistakes import Mistake

_LEAST_VOLUME = Size(GIB)
_LEAST_TASK = Size(256 * MIB)


def domains_differ(s: HomeSettings) -> Iterator[Mistake]:
    """Each name leads to one service."""
    domains = s.services.domains
    yield from repeated(
        (("services", "domains", name), getattr(domains, name))
        for name in type(domains).model_fields
        if hasattr(domains, name)
    )


def domains_are_outside(s: HomeSettings) -> Iterator[Mistake]:
    """The cluster's own DNS does not claim a name that others ask for."""
    inside = s.cluster.dns_domain
    for name in type(s.services.domains).model_fields:
        domain = getattr(s.services.domains, name, "")
        if f".{domain}".endswith(f".{inside}"):
            remedy = f"is inside ampere:cluster.dns_domain {inside}, which only pods can ask"
            yield wrong(domain, remedy, "services", "domains", name)


def node_ports_differ(s: HomeSettings) -> Iterator[Mistake]:
    """Each port leads to one service."""
    ports = s.services.node_ports
    yield from repeated(
        (("services", "node_ports", name), getattr(ports, name))
        for name in type(ports).model_fields
        if hasattr(ports, name)
    )


def buckets_differ(s: HomeSettings) -> Iterator[Mistake]:
    """A bucket is listed once."""
    buckets = enumerate(s.services.minio.buckets)
    yield from repeated((("services", "minio", "buckets", i), bucket) for i, bucket in buckets)


def logs_have_a_bucket(s: HomeSettings) -> Iterator[Mistake]:
    """Airflow's logs go to a bucket that is made."""
    yield from _made(s, s.services.airflow.logs_bucket, "airflow", "logs_bucket")


def models_have_a_bucket(s: HomeSettings) -> Iterator[Mistake]:
    """Dbt's data go to a bucket that is made."""
    yield from _made(s, s.services.dbt.bucket, "dbt", "bucket")


def _made(s: HomeSettings, bucket: str, *key: str) -> Iterator[Mistake]:
    made = s.services.minio.buckets
    if bucket not in made:
        remedy = f"is not in ampere:services.minio.buckets; add it there, or use {made[0]}"
        yield wrong(bucket, remedy, "services", *key)


def instances_have_workers(s: HomeSettings) -> Iterator[Mistake]:
    """Each instance of PostgreSQL has a worker of its own."""
    instances, workers = s.services.postgresql.instances, len(s.workers.machines)
    if instances > workers > 0:
        remedy = f"is more than the {workers} workers; each instance needs one of its own"
        yield wrong(instances, remedy, "services", "postgresql", "instances")


def postgresql_has_room(s: HomeSettings) -> Iterator[Mistake]:
    """The database's volume is worth having."""
    yield from _at_least(_LEAST_VOLUME, s.services.postgresql.storage, "postgresql", "storage")


def minio_has_room(s: HomeSettings) -> Iterator[Mistake]:
    """The object store's volume is worth having."""
    yield from _at_least(_LEAST_VOLUME, s.services.minio.storage, "minio", "storage")


def dbt_has_memory(s: HomeSettings) -> Iterator[Mistake]:
    """DuckDB has memory to start with."""
    yield from _at_least(_LEAST_TASK, s.services.dbt.memory, "dbt", "memory")


def _at_least(least: Size, size: Size, *key: str) -> Iterator[Mistake]:
    if size % MIB:
        yield wrong(size, "is not a whole number of MiB", "services", *key)
    elif size < least:
        yield wrong(size, f"is too small; use at least {least}", "services", *key)


def dbt_fits_a_worker(s: HomeSettings) -> Iterator[Mistake]:
    """There is a worker that dbt's pod fits on."""
    largest = max((machine.memory for at, machine in listed(s) if at[0] == "workers"), default=None)
    memory = s.services.dbt.memory
    if largest is not None and memory >= largest:
        remedy = f"leaves no worker anything: the largest has {largest}; use less"
        yield wrong(memory, remedy, "services", "dbt", "memory")


def token_outlives_the_join(s: HomeSettings) -> Iterator[Mistake]:
    """A worker's token lives as long as its join may take."""
    minutes, join = s.bootstrap.token_ttl_minutes, s.bootstrap.timeouts.join
    if minutes * 60 < join:
        remedy = f"ends before ampere:bootstrap.timeouts.join, {join} seconds; use {-(-join // 60)}"
        yield wrong(minutes, remedy, "bootstrap", "token_ttl_minutes")


def probes_fit_the_timeout(s: HomeSettings) -> Iterator[Mistake]:
    """The API can answer often enough in time."""
    probes, timeout = s.bootstrap.api_stable_probes, s.bootstrap.timeouts.api_stable
    if (least := (probes - 1) * PROBE_PAUSE) > timeout:
        remedy = f"takes {least} seconds, more than ampere:bootstrap.timeouts.api_stable {timeout}"
        yield wrong(probes, f"{remedy}; use fewer", "bootstrap", "api_stable_probes")


CHECKS = (
    domains_differ,
    domains_are_outside,
    node_ports_differ,
    buckets_differ,
    logs_have_a_bucket,
    models_have_a_bucket,
    instances_have_workers,
    postgresql_has_room,
    minio_has_room,
    dbt_has_memory,
    dbt_fits_a_worker,
    token_outlives_the_join,
    probes_fit_the_timeout,
)
