"""A cluster as ``kubectl`` shows it, for tests of the commands that ask it."""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

from ampere_infra.backup.mark import ARCHIVED, COMMIT, SWITCH

BACKUPS, CLUSTERS = "backups.postgresql.cnpg.io", "clusters.postgresql.cnpg.io"
API = "https://192.168.1.29:6443"
SURVEY = """\
what mc says besides
@now {"bucket":"airflow-logs","objects":40,"size":4096}
@now {"bucket":"warehouse","objects":12,"size":3221225472}
@copy {"copy":"20250301T030000Z","finished":"20250301T030700Z","buckets":[\
{"bucket":"airflow-logs","objects":10,"size":1000},{"bucket":"warehouse","objects":0,"size":0}]}
@copy {"copy":"20250302T030000Z","finished":"20250302T030800Z","buckets":[\
{"bucket":"airflow-logs","objects":20,"size":2000},\
{"bucket":"warehouse","objects":11,"size":3000},{"bucket":"gone","objects":1,"size":1}]}
@base postgresql 20250301T030001 begin_time=2025-03-01 03:00:01.5+00:00
@base postgresql 20250301T030001 end_time=2025-03-01 03:02:01.5+00:00
@base postgresql 20250301T030001 status=DONE
@base postgresql 20250302T030001 end_time=2025-03-02 03:02:01+00:00
@base postgresql 20250302T030001 status=DONE
@base postgresql 20250303T030001 status=STARTED
@wal postgresql {"lastModified":"2025-03-03T12:00:00Z","key":"000000010000000000000007.gz"}
"""


def cron_job(name: str) -> dict[str, Any]:
    container = {"name": "mc", "command": ["sh", "/scripts/copies"], "args": ["copy"]}
    job = {
        "metadata": {"labels": {"app.kubernetes.io/name": "minio"}},
        "spec": {"backoffLimit": 2, "template": {"spec": {"containers": [container]}}},
    }
    return {"metadata": {"name": name}, "spec": {"jobTemplate": job}}


def cluster(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"currentPrimary": f"{name}-1"}}


@dataclass
class FakeCluster:
    """Answers ``kubectl``'s calls, and refuses those that it does not know."""

    context: str = "ampere-k8s"
    server: str = API
    phases: list[str] = field(default_factory=lambda: ["", "started", "completed"])
    """What a backup says each time it is asked for; the last stays."""
    fails: dict[str, str] = field(default_factory=dict[str, str])
    """What kubectl complains of, by the first word of a call, or by a Job's argument."""
    cron_jobs: list[str] = field(default_factory=lambda: ["minio-backup", "minio-restore"])
    clusters: list[str] = field(default_factory=lambda: ["postgresql"])
    backups: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    jobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    survey: str = SURVEY
    sizes: str = "airflow 52428800\nplatform 8388608\n"
    clock: float = 4e9
    """What the database's clock says, in seconds since 1970."""
    archived: list[str] = field(
        default_factory=lambda: ["", "00000001.history", "000000010000000000000008"]
    )
    """The last file in the archive, each time it is asked for; the last stays."""
    made: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def arguments(self, name: str) -> list[str]:
        """What the Job whose name begins with ``name`` was told to do."""
        found = [
            thing["spec"]["template"]["spec"]["containers"][0]["args"]
            for thing in self.made
            if thing["kind"] == "Job" and thing["metadata"]["name"].startswith(name)
        ]
        (only,) = found
        return only

    def run(self, words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        parser = argparse.ArgumentParser()
        parser.add_argument("--context", required=True)
        parser.add_argument("--request-timeout", required=True)
        parser.add_argument("--kubeconfig")
        parser.add_argument("verb")
        parser.add_argument("rest", nargs=argparse.REMAINDER)
        call = parser.parse_args(words[1:])
        if call.context != self.context:
            told = f'error: context "{call.context}" does not exist'
            return subprocess.CompletedProcess(words, 1, "", told)
        if call.verb in self.fails:
            return subprocess.CompletedProcess(words, 1, "", self.fails[call.verb])
        answer = getattr(self, f"_{call.verb}")(call.rest, options["input"])
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.CompletedProcess(words, 0, text, "")

    def _config(self, rest: list[str], _: str) -> Any:
        assert rest == ["view", "--minify", "--output", "json"]
        return {"clusters": [{"cluster": {"server": self.server}}]}

    def _create(self, rest: list[str], stdin: str) -> Any:
        assert rest == ["--filename", "-"]
        thing = json.loads(stdin)
        self.made.append(thing)
        kept = self.backups if thing["kind"] == "Backup" else self.jobs
        kept.append(copy.deepcopy(thing))
        return ""

    def _logs(self, rest: list[str], _: str) -> str:
        kind, _, name = rest[0].partition("/")
        assert (kind, rest[1:]) == ("job", ["--namespace", "minio"])
        if self._told(name)[0] == "survey":
            return self.survey
        return 'copying warehouse\ncopied: {"bucket":"warehouse","objects":3,"size":2048}\n'

    def _exec(self, rest: list[str], _: str) -> str:
        pod, words = rest[4], rest[rest.index("--") + 1 :]
        assert pod in {f"{name}-1" for name in self.clusters}
        assert words[0] == "psql"
        if COMMIT in words:
            assert words[-1] == SWITCH, "after the transaction, not with it"
            return f"{self.clock}\n000000010000000000000008\n"
        if words[-1] == ARCHIVED:
            self.archived = [*self.archived[1:]] or self.archived
            return f"{self.archived[0]}\n"
        return self.sizes

    def _get(self, rest: list[str], _: str) -> Any:
        parser = argparse.ArgumentParser()
        parser.add_argument("kind")
        parser.add_argument("name", nargs="?")
        parser.add_argument("--namespace", required=True)
        parser.add_argument("--selector")
        parser.add_argument("--output", choices=["json"], required=True)
        call = parser.parse_args(rest)
        namespace = "postgresql" if call.kind in {BACKUPS, CLUSTERS} else "minio"
        assert call.namespace == namespace, f"{call.kind} are not in {call.namespace}"
        if call.kind == BACKUPS and call.name:
            phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
            return {"status": {"phase": phase, "error": "no space left"}}
        if call.kind == "job":
            return self._job(call.name)
        kinds = {
            BACKUPS: self.backups,
            CLUSTERS: [cluster(name) for name in self.clusters],
            "cronjobs": [cron_job(name) for name in self.cron_jobs],
            "jobs": self.jobs,
            "pods": [{"status": {"phase": "Running"}}],
        }
        return {"items": kinds[call.kind]}

    def _job(self, name: str) -> Any:
        told = self._told(name)[0]
        why = self.fails.get(told)
        kind = "Failed" if why else "Complete"
        return {"status": {"conditions": [{"type": kind, "status": "True", "message": why}]}}

    def _told(self, name: str) -> list[str]:
        job = [job for job in self.jobs if job["metadata"]["name"] == name][-1]
        return job["spec"]["template"]["spec"]["containers"][0]["args"]
