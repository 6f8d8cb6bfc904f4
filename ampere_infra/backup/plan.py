"""What a restore would do: chosen from the catalogue, and told before anything is done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra.backup.catalogue import Archive, Catalogue, Contents, Copy, told_oldest
from ampere_infra.backup.errors import BackupError, WrongInputError
from ampere_infra.backup.mark import mark, rows
from ampere_infra.settings.moments import spelled_moment
from ampere_infra.settings.recovery import Recovery, cluster_name
from ampere_infra.settings.sizes import told_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

    from ampere_infra.backup.kubectl import Object
    from ampere_infra.backup.session import Session

SIZES = (
    "select datname, pg_database_size(datname) from pg_database "
    "where not datistemplate and datname <> 'postgres' order by 1"
)

UNCERTAIN = (
    "if no later change is in the archive, PostgreSQL will not start, and `pulumi up` says of",
    "the new cluster that it is not ready; nothing is lost then: the same command with --to and",
    "the time of that moment restores all of the archive",
)


@dataclass(frozen=True)
class DatabasePlan:
    """PostgreSQL becomes another generation."""

    archive: Archive
    base: datetime
    recovery: Recovery
    current: str
    databases: tuple[str, ...]
    """What is in use now, in words."""
    certain: bool
    """Whether the archive is known to hold a transaction of after the point in time."""


@dataclass(frozen=True)
class BucketsPlan:
    """MinIO's buckets become what they were in a copy."""

    copy: Copy
    overwritten: tuple[Contents, ...]
    left_alone: tuple[str, ...]
    """Buckets that are not in the copy."""
    left_out: tuple[str, ...]
    """Buckets of the copy that the settings no longer have."""


def plan_database(session: Session, catalogue: Catalogue, when: datetime) -> DatabasePlan:
    """Choose the archive for ``when``.

    Raises:
        WrongInputError: no backup is that old.
    """
    archive = catalogue.archive_before(when)
    base = archive and archive.base_before(when)
    if archive is None or base is None:
        ends = [end for known in catalogue.archives.values() for end in known.finished()]
        raise WrongInputError(
            f"there is no backup of PostgreSQL from before {spelled_moment(when)}; "
            f"{told_oldest(ends)}. Nothing was changed"
        )
    clusters = session.clusters()
    settings = session.settings.recovery
    current = clusters.get(settings.cluster)
    marked = mark(session, current) if archive.name == settings.cluster else None
    certain = marked is not None and marked > when
    reached = certain or (archive.until is not None and archive.until >= when)
    return DatabasePlan(
        archive=archive,
        base=base,
        recovery=_next(settings, archive, when if reached else None, clusters, catalogue),
        current=settings.cluster,
        databases=_databases(session, current),
        certain=certain,
    )


def plan_buckets(session: Session, catalogue: Catalogue, when: datetime) -> BucketsPlan:
    """Choose the copy for ``when``.

    Raises:
        WrongInputError: no copy is that old.
    """
    copy = catalogue.copy_before(when)
    if copy is None:
        raise WrongInputError(
            f"there is no copy of MinIO from before {spelled_moment(when)}; "
            f"{told_oldest(known.finished for known in catalogue.copies)}. Nothing was changed"
        )
    held = {contents.bucket for contents in copy.buckets}
    wanted = session.settings.services.minio.buckets
    return BucketsPlan(
        copy=copy,
        overwritten=tuple(contents for contents in catalogue.now if contents.bucket in held),
        left_alone=tuple(bucket for bucket in wanted if bucket not in held),
        left_out=tuple(sorted(held - set(wanted))),
    )


def _next(
    settings: Recovery,
    archive: Archive,
    until: datetime | None,
    clusters: Mapping[str, Object],
    catalogue: Catalogue,
) -> Recovery:
    """Return a generation that is neither a cluster yet nor an archive, which would refuse it."""
    taken = {*clusters, *catalogue.archives, cluster_name(1)}
    generation = settings.generation
    while cluster_name(generation) in taken:
        generation += 1
    return Recovery(
        generation=generation,
        source=archive.name,
        to=until and until.isoformat().replace("+00:00", "Z"),
        kept=tuple(sorted(clusters)),
    )


def _databases(session: Session, cluster: Object | None) -> tuple[str, ...]:
    if cluster is None:
        return ("none: it was not made yet",)
    with suppress(BackupError):
        pairs = [row.rsplit(" ", 1) for row in rows(session, cluster, SIZES)]
        return tuple(f"database {name}: {told_size(int(size))}" for name, size in pairs)
    return ("databases that do not answer, so their sizes are unknown",)


def told_database(plan: DatabasePlan, when: datetime, now: datetime) -> Iterator[str]:
    """Yield what is said of PostgreSQL."""
    recovery = plan.recovery
    yield f"PostgreSQL: {plan.current} is replaced by a new cluster, {recovery.cluster}"
    yield from (f"  {line}" for line in plan.databases)
    yield f"  from the archive {plan.archive.name}, base backup of {_aged(plan.base, now)}"
    if recovery.to is not None:
        yield f"  with all changes until {recovery.to}"
        yield from () if plan.certain else (f"  {line}" for line in UNCERTAIN)
    elif plan.archive.until is None:
        yield "  without any later change: none was archived"
    else:
        missing = _span(when - plan.archive.until)
        yield f"  with all changes that were archived, until {spelled_moment(plan.archive.until)}:"
        yield f"  the last {missing} before {spelled_moment(when)} are in no archive"
    kept = ", ".join(recovery.kept)
    yield f"  {kept or 'nothing'} stays as it is, asleep, with its volumes"


def told_buckets(plan: BucketsPlan, now: datetime) -> Iterator[str]:
    """Yield what is said of MinIO."""
    yield f"MinIO: its buckets become again what is in the copy of {_aged(plan.copy.finished, now)}"
    then = {contents.bucket: contents for contents in plan.copy.buckets}
    for present in plan.overwritten:
        yield f"  bucket {present.bucket}: {_told(present)} now, {_told(then[present.bucket])} then"
    yield from (f"  bucket {name}: not in the copy, stays as it is" for name in plan.left_alone)
    yield from (
        f"  bucket {name}: left out, for ampere:services.minio.buckets does not have it"
        for name in plan.left_out
    )
    yield "  what was added or changed since then is lost: `ampere backup` first keeps it"


def _told(contents: Contents) -> str:
    return f"{contents.objects} objects, {told_size(contents.size)}"


def _aged(when: datetime, now: datetime) -> str:
    return f"{spelled_moment(when)} ({_span(now - when)} ago)"


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:  # noqa: PLR2004 - two hours; from there on minutes say too much
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days"
