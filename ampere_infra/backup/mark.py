"""A transaction that is younger than the point in time to restore, put into the archive.

Recovery to a time ends at the first transaction that was committed later. If the archive has none,
PostgreSQL does not start: "recovery ended before configured recovery target was reached". When a
piece of the log arrived does not say what is in it: it may have waited for a target that was away,
or hold no transaction at all.
https://www.postgresql.org/docs/18/runtime-config-wal.html#GUC-RECOVERY-TARGET-TIME
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ampere_infra.backup import jobs
from ampere_infra.backup.errors import BackupError
from ampere_infra.settings.namespaces import POSTGRESQL

if TYPE_CHECKING:
    from ampere_infra.backup.kubectl import Object
    from ampere_infra.backup.session import Session

PATIENCE: Final = 120
"""Seconds until a piece of the log must have arrived in the target."""
SEGMENT: Final = 24
"""Characters of the name of a piece of the log; other files have longer or shorter ones."""
COMMIT = "select extract(epoch from clock_timestamp()) from pg_current_xact_id()"
"""Changes no table; a transaction that has a number leaves the record of its end in the log."""
SWITCH = "select pg_walfile_name(pg_switch_wal())"
ARCHIVED = "select last_archived_wal from pg_stat_archiver"


def rows(session: Session, cluster: Object, *statements: str) -> list[str]:
    """Return what the primary of ``cluster`` answers, each statement a transaction of its own.

    Raises:
        BackupError: it does not answer.
    """
    primary = str(cluster.get("status", {}).get("currentPrimary"))
    words = ["psql", "-XAtq", "-F", " "]
    words += [word for statement in statements for word in ("-c", statement)]
    place = ("--namespace", POSTGRESQL, "--container", "postgres", primary)
    answer = session.kubectl.run("exec", *place, "--", *words)
    return [row for row in answer.split("\n") if row.strip()]


def mark(session: Session, cluster: Object | None) -> datetime | None:
    """Commit a transaction, have its piece of the log archived, and return when it was.

    None: there is no such cluster, it does not answer, or nothing arrived in time.
    """
    if cluster is None:
        return None
    session.say("having what PostgreSQL has written so far archived")
    try:
        seconds, segment = rows(session, cluster, COMMIT, SWITCH)
        if _arrives(session, cluster, segment):
            return datetime.fromtimestamp(float(seconds), UTC)
    except (BackupError, ValueError):
        pass
    return None


def _arrives(session: Session, cluster: Object, segment: str) -> bool:
    looks = max(1, int(PATIENCE / jobs.PAUSE))
    for look in range(looks):
        archived = rows(session, cluster, ARCHIVED)
        if archived and archived[0][:SEGMENT] >= segment:
            return True
        if look < looks - 1:
            time.sleep(jobs.PAUSE)
    return False
