"""``ampere restore``: back to a point in time, after it was said what that overwrites.

MinIO's buckets are overwritten by a Job. PostgreSQL is restored by the next ``pulumi up``: the
stack file gets another generation of the database, so that the program goes on to describe what
there is, and a run that breaks off is finished by running it again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ampere_infra.backup import jobs
from ampere_infra.backup.catalogue import Catalogue, read
from ampere_infra.backup.errors import BackupError, WrongInputError
from ampere_infra.backup.plan import (
    BucketsPlan,
    DatabasePlan,
    plan_buckets,
    plan_database,
    told_buckets,
    told_database,
)
from ampere_infra.backup.stack_file import write_recovery
from ampere_infra.settings.moments import moment, spelled_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ampere_infra.backup.session import Session

PARTS = ("postgresql", "minio")


def point_in_time(text: str, now: datetime) -> datetime:
    """Return the point in time that ``--to`` names.

    Raises:
        WrongInputError: it names none, or one that has not come yet.
    """
    try:
        when = moment(text)
    except ValueError as error:
        raise WrongInputError(f"--to {text} {error}") from None
    if when > now:
        raise WrongInputError(
            f"--to {text} is in the future: it is {spelled_moment(now)} on this machine"
        )
    return when


def restore(
    session: Session,
    when: datetime,
    file: Path,
    parts: tuple[str, ...] = PARTS,
    confirm: Callable[[], bool] = lambda: False,
) -> None:
    """Say what would be overwritten; if ``confirm`` agrees, restore it.

    Raises:
        BackupError: nothing can be restored, nobody agreed, or it failed on the way; running it
            again goes on from there.
    """
    session.check()
    catalogue = _survey(session)
    database = plan_database(session, catalogue, when) if "postgresql" in parts else None
    buckets = plan_buckets(session, catalogue, when) if "minio" in parts else None
    name = session.settings.cluster.name
    session.say(f"a restore of cluster {name} to {spelled_moment(when)} overwrites:")
    for line in _told(database, buckets, when, session.now()):
        session.say(line)
    if not confirm():
        raise BackupError("nothing was changed")
    if buckets is not None:
        _restore_buckets(session, buckets)
    if database is not None:
        write_recovery(file, database.recovery)
        _tell_next(session, database, file)


def ask(name: str) -> bool:
    """Have the cluster's name typed.

    Raises:
        WrongInputError: there is nobody to type it.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise WrongInputError("nobody is at a terminal to agree: --yes agrees. Nothing was changed")
    try:
        return input(f"type the cluster's name, {name}, to go on: ").strip() == name
    except EOFError:
        return False


def _survey(session: Session) -> Catalogue:
    session.say(f"looking at {session.target.endpoint}, {session.target.bucket}:")
    name = f"ampere-survey-{session.now():%Y%m%d-%H%M%S}"
    jobs.start(session, "minio-backup", name, ["survey"])
    jobs.wait(session, {f"job {name}": lambda: jobs.job_state(session, name)})
    return read(jobs.log(session, name).splitlines())


def _told(
    database: DatabasePlan | None, buckets: BucketsPlan | None, when: datetime, now: datetime
) -> list[str]:
    lines: list[str] = []
    if database is not None:
        lines += told_database(database, when, now)
    if buckets is not None:
        lines += told_buckets(buckets, now)
    return lines


def _restore_buckets(session: Session, plan: BucketsPlan) -> None:
    name = f"ampere-restore-{session.now():%Y%m%d-%H%M%S}"
    buckets = [contents.bucket for contents in plan.overwritten]
    jobs.start(session, "minio-restore", name, ["restore", plan.copy.stamp, *buckets])
    try:
        jobs.wait(session, {f"MinIO, job {name}": lambda: jobs.job_state(session, name)})
    except KeyboardInterrupt:
        session.say("MinIO's restore goes on in the cluster; PostgreSQL was not touched")
        raise
    session.say("MinIO is restored")


def _tell_next(session: Session, plan: DatabasePlan, file: Path) -> None:
    session.say(f"{file.name} now names generation {plan.recovery.generation} of the database.")
    session.say("`pulumi up --stack home` makes it; then commit the file, or CI undoes it.")
