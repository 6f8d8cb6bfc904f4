"""Jobs that are made from the charts' CronJobs, and waiting for what the cluster does."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ampere_infra.backup.errors import BackupError
from ampere_infra.backup.session import BACKUPS, PAUSE
from ampere_infra.settings.namespaces import MINIO, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ampere_infra.backup.kubectl import Object
    from ampere_infra.backup.session import Session

TAIL = 8
"""Lines of a failed Job's log that are shown."""


def start(session: Session, cron_job: str, name: str, arguments: Sequence[str]) -> None:
    """Start a Job from ``cron_job`` with other arguments."""
    (source,) = [item for item in session.cron_jobs() if item["metadata"]["name"] == cron_job]
    template: Any = source["spec"]["jobTemplate"]
    (container,) = template["spec"]["template"]["spec"]["containers"]
    container["args"] = list(arguments)
    metadata = {"name": name, "namespace": MINIO, "labels": template["metadata"]["labels"]}
    session.kubectl.create(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
    )


def job_state(session: Session, name: str) -> tuple[str, bool]:
    """Return what a Job does, in words, and whether it has ended well.

    Raises:
        BackupError: it failed; with the end of its log.
    """
    status: Object = session.kubectl.get("job", name, "--namespace", MINIO).get("status", {})
    conditions: list[Object] = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Complete" and condition["status"] == "True":
            return "done", True
        if condition["type"] == "Failed" and condition["status"] == "True":
            why = condition.get("message") or condition.get("reason", "")
            raise BackupError(f"job {name} failed: {why}\n{_tail(session, name)}".rstrip())
    tries = f", attempt {status['failed'] + 1}" if status.get("failed") else ""
    return f"{_pod_state(session, name)}{tries}", False


def backup_state(session: Session, name: str) -> tuple[str, bool]:
    """Return what a backup of PostgreSQL does, in words, and whether it has ended well.

    Raises:
        BackupError: it failed.
    """
    item = session.kubectl.get(BACKUPS, name, "--namespace", POSTGRESQL)
    status = item.get("status", {})
    phase = status.get("phase") or "waiting for the operator"
    if phase == "failed":
        raise BackupError(f"backup {name} failed: {status.get('error') or 'it says no reason'}")
    return phase, phase == "completed"


def wait(session: Session, states: dict[str, Callable[[], tuple[str, bool]]]) -> None:
    """Wait until each of ``states`` has ended well, and tell of each change.

    Raises:
        BackupError: one of them failed, or it takes too long; the others were waited for.
    """
    told: dict[str, str] = {}
    problems: list[str] = []
    left = dict(states)
    looks = max(1, int(session.minutes * 60 / PAUSE))
    for look in range(looks):
        for name, state in list(left.items()):
            try:
                text, done = state()
            except BackupError as error:
                problems.append(str(error))
                text, done = "failed", True
            if told.get(name) != text:
                session.say(f"  {name}: {text}")
                told[name] = text
            if done:
                del left[name]
        if not left:
            break
        if look < looks - 1:
            time.sleep(PAUSE)
    problems += [f"{name} is still {told[name]} after {session.minutes} minutes" for name in left]
    if problems:
        raise BackupError("\n".join(problems))


def log(session: Session, name: str) -> str:
    """Return what a Job printed."""
    return session.kubectl.run("logs", f"job/{name}", "--namespace", MINIO)


def _tail(session: Session, name: str) -> str:
    with suppress(BackupError):
        return "\n".join(f"  {line}" for line in log(session, name).splitlines()[-TAIL:])
    return ""


def _pod_state(session: Session, name: str) -> str:
    pods = session.kubectl.items("pods", "--namespace", MINIO, "--selector", f"job-name={name}")
    statuses: list[Object] = [pod.get("status", {}) for pod in pods]
    for status in statuses:
        containers: list[Object] = status.get("containerStatuses") or []
        for container in containers:
            waiting: Object = container.get("state", {}).get("waiting") or {}
            if waiting:
                return f"waiting: {waiting.get('reason', '?')}"
    return "running" if any(status.get("phase") == "Running" for status in statuses) else "starting"
