"""Checks of the services and of how the cluster is bootstrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ampere_infra.settings.checks.common import listed, repeated, wrong
from ampere_infra.settings.cluster import PROBE_PAUSE
from ampere_infra.settings.services import scheduler_memory
from ampere_infra.settings.types import GIB, MIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.checks.common import ClusterSettings
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


def dags_have_one_source(s: HomeSettings) -> Iterator[Mistake]:
    """A repository is named where DAGs come from one, and nothing of it where they do not."""
    dags = s.services.airflow.dags
    if dags.source == "git":
        if dags.repository is None:
            remedy = "needs a repository; write ampere:services.airflow.dags.repository too"
            yield _of_dags(dags.source, remedy, "source")
        return
    for name, field in type(dags).model_fields.items():
        if name != "source" and (value := getattr(dags, name, field.default)) != field.default:
            remedy = "is not used with DAGs of the image; remove it, or write source: git"
            yield _of_dags(value, remedy, name)


def dags_server_is_known(s: HomeSettings) -> Iterator[Mistake]:
    """SSH is told the server's key, and https the account of a token."""
    dags = s.services.airflow.dags
    if dags.source != "git" or dags.repository is None:
        return
    if not dags.repository.startswith("ssh://"):
        if dags.known_hosts:
            remedy = "is for ssh:// repositories; remove it"
            yield _of_dags(dags.known_hosts[0], remedy, "known_hosts")
        return
    if not dags.known_hosts:
        remedy = "is reached by SSH; write its server's keys to dags.known_hosts (docs/services.md)"
        yield _of_dags(dags.repository, remedy, "repository")
    if dags.user is not None:
        yield _of_dags(dags.user, "is for https:// repositories; remove it", "user")


def _of_dags(value: object, remedy: str, key: str) -> Mistake:
    return wrong(value, remedy, "services", "airflow", "dags", key)


def local_tasks_fit_a_worker(s: HomeSettings) -> Iterator[Mistake]:
    """There is a worker that the scheduler fits on with all tasks that run beside it."""
    airflow = s.services.airflow
    largest = max((machine.memory for at, machine in listed(s) if at[0] == "workers"), default=None)
    needed = scheduler_memory(airflow)
    if airflow.executor == "LocalExecutor" and largest is not None and needed >= largest:
        remedy = (
            f"gives the scheduler with its tasks {needed}, and the largest worker has {largest}; "
            "use fewer, or executor: KubernetesExecutor"
        )
        yield wrong(airflow.parallelism, remedy, "services", "airflow", "parallelism")


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


def backup_is_elsewhere(s: HomeSettings) -> Iterator[Mistake]:
    """The copies are not in the store that they are copies of."""
    if (backup := s.services.backup) is None:
        return
    name = urlsplit(backup.endpoint).hostname or ""
    own = {s.services.domains.s3, s.services.domains.minio}
    if name in own or f".{name}".endswith(f".{s.cluster.dns_domain}"):
        remedy = "is this cluster's own MinIO; name a store on another machine"
        yield wrong(backup.endpoint, remedy, "services", "backup", "endpoint")


def recovery_has_an_archive(s: HomeSettings) -> Iterator[Mistake]:
    """What is restored comes from somewhere."""
    if s.recovery.source is not None and s.services.backup is None:
        remedy = "is in the second S3 target; name that in ampere:services.backup"
        yield wrong(s.recovery.source, remedy, "recovery", "source")


def recovery_has_a_source(s: HomeSettings) -> Iterator[Mistake]:
    """A point in time is one of an archive."""
    if s.recovery.to is not None and s.recovery.source is None:
        yield wrong(s.recovery.to, "needs ampere:recovery.source beside it", "recovery", "to")


def recovery_makes_another(s: HomeSettings) -> Iterator[Mistake]:
    """A cluster is neither its own source nor kept beside itself."""
    current = s.recovery.cluster
    places = [
        (("recovery", "source"), s.recovery.source),
        *((("recovery", "kept", i), name) for i, name in enumerate(s.recovery.kept)),
    ]
    for place, name in places:
        if name == current:
            remedy = f"is the cluster of ampere:recovery.generation {s.recovery.generation} itself"
            yield wrong(name, f"{remedy}; name an earlier one", *place)


def token_outlives_the_join(s: HomeSettings) -> Iterator[Mistake]:
    """A worker's token lives as long as its join may take."""
    minutes, join = s.bootstrap.token_ttl_minutes, s.bootstrap.timeouts.join
    if minutes * 60 < join:
        remedy = f"ends before ampere:bootstrap.timeouts.join, {join} seconds; use {-(-join // 60)}"
        yield wrong(minutes, remedy, "bootstrap", "token_ttl_minutes")


def probes_fit_the_timeout(s: ClusterSettings) -> Iterator[Mistake]:
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
    dags_have_one_source,
    dags_server_is_known,
    local_tasks_fit_a_worker,
    instances_have_workers,
    postgresql_has_room,
    minio_has_room,
    dbt_has_memory,
    dbt_fits_a_worker,
    backup_is_elsewhere,
    recovery_has_an_archive,
    recovery_has_a_source,
    recovery_makes_another,
    token_outlives_the_join,
    probes_fit_the_timeout,
)
