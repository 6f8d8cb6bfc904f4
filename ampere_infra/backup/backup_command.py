"""``ampere backup``: a base backup of PostgreSQL and a copy of MinIO's buckets, now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ampere_infra.backup import jobs
from ampere_infra.backup.errors import BackupError
from ampere_infra.backup.mark import PATIENCE, mark
from ampere_infra.settings.namespaces import POSTGRESQL
from ampere_infra.settings.sizes import told_size

if TYPE_CHECKING:
    from ampere_infra.backup.session import Session

PLUGIN = "barman-cloud.cloudnative-pg.io"


def back_up(session: Session) -> None:
    """Start both, and wait until both have ended.

    Raises:
        BackupError: the cluster cannot be used, or one of them failed; the other is then still
            whole and of use.
    """
    session.check()
    cluster = session.settings.recovery.cluster
    if cluster not in session.clusters():
        raise BackupError(f"there is no database cluster {cluster} yet: run `pulumi up`")
    target, name = session.target, f"ampere-{session.now():%Y%m%d-%H%M%S}"
    session.say(f"copying to {target.endpoint}, {target.bucket}/{target.prefix}:")
    session.kubectl.create(_backup(name, cluster))
    jobs.start(session, "minio-backup", name, ["copy"])
    try:
        jobs.wait(
            session,
            {
                f"PostgreSQL, backup {name}": lambda: jobs.backup_state(session, name),
                f"MinIO, job {name}": lambda: jobs.job_state(session, name),
            },
        )
    except KeyboardInterrupt:
        session.say("both go on in the cluster; only the waiting has ended")
        raise
    _tell_copied(session, name)
    _tell_end(session, cluster)


def _backup(name: str, cluster: str) -> dict[str, object]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": POSTGRESQL},
        "spec": {
            "cluster": {"name": cluster},
            "method": "plugin",
            "pluginConfiguration": {"name": PLUGIN},
        },
    }


def _tell_copied(session: Session, name: str) -> None:
    for line in jobs.log(session, name).splitlines():
        kind, _, rest = line.partition(": ")
        if kind == "copied":
            for bucket in json.loads(f"[{rest}]"):
                size = told_size(bucket["size"])
                session.say(f"  bucket {bucket['bucket']}: {bucket['objects']} objects, {size}")


def _tell_end(session: Session, cluster: str) -> None:
    if mark(session, session.clusters().get(cluster)):
        session.say("done: `ampere restore` can go back to this moment")
    else:
        session.say(
            f"done, but PostgreSQL's log of since then did not arrive in {PATIENCE} seconds: until "
            "it does, `ampere restore` cannot be sure of this moment"
        )
