"""`ampere backup` and `ampere restore` on a real API server, between two real object stores.

kwok ends each Job well and runs no container. What a Job prints and does, the container of the very
Job that the API server took does here, with its scripts and Secrets. CloudNativePG's part is
played: that a backup begins, and how it ends.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import threading
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from ampere_infra import cli, tools
from ampere_infra.backup import jobs, kubectl, parser
from ampere_infra.backup.errors import BackupError
from ampere_infra.backup.kubectl import Kubectl
from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.recovery import NEVER
from tests.cluster.front import Front
from tests.copies.stores import Chart, admit
from tests.engine.drill import HOME
from tests.programs.object_store import Store
from tests.services.conftest import MISSING, Home, home_on
from tests.upstream import needs_upstream
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cluster.cluster import Cluster

CNPG = "postgresql.cnpg.io/v1"
MERGE = "application/merge-patch+json"
TARGET = """\
    backup:
      endpoint: {url}
      bucket: copies
"""
WRITTEN = {"airflow-logs/dag/1.log": "first", "warehouse/table": "rows"}


class Operator(AbstractContextManager["Operator"]):
    """Plays CloudNativePG's: it begins each backup and ends it, with ``reason`` if there is one."""

    def __init__(self, cluster: Cluster) -> None:
        self.reason = ""
        self._api = cluster.api
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._end.wait(0.3):
            # As every controller, it asks again after a server that is not ready for it.
            with suppress(ApiError):
                self._look()

    def _look(self) -> None:
        failed, ended = {"phase": "failed", "error": self.reason}, {"phase": "completed"}
        for backup in self._api.items(CNPG, "Backup", "postgresql"):
            phase = backup.get("status", {}).get("phase")
            if not phase:
                self._tell(backup, {"phase": "started"})
            elif phase == "started":
                self._tell(backup, failed if self.reason else ended)

    def _tell(self, backup: dict[str, Any], status: dict[str, str]) -> None:
        path = f"{self._api.path_of(backup)}/status"
        self._api.request("PATCH", path, {"status": status}, MERGE, {"fieldValidation": "Strict"})


@dataclass
class Place:
    """A ``home`` with a second target, both its stores, and a person's kubeconfig."""

    home: Home
    chart: Chart
    """Runs containers, with what the cluster's Secrets and ConfigMaps hold."""
    operator: Operator
    front: Front
    kubeconfig: Path
    file: Path
    """The stack file that the commands read and write."""
    warnings: list[str] = field(default_factory=list[str])

    @property
    def cluster(self) -> Cluster:
        return self.home.cluster

    def jobs(self, kind: str = "") -> list[dict[str, Any]]:
        """The Jobs that the commands made, ``backup``, ``survey`` or ``restore``, as they are."""
        pattern = rf"ampere-{kind}[0-9]" if kind != "any" else "ampere-"
        found = self.cluster.api.items("batch/v1", "Job", "minio")
        return [job for job in found if re.match(pattern, job["metadata"]["name"])]

    def run(self, job: str) -> str:
        """Do what the pod of a Job would do, and return what it prints."""
        live = self.cluster.api.get(f"/apis/batch/v1/namespaces/minio/jobs/{job}")
        assert live is not None
        (container,) = live["spec"]["template"]["spec"]["containers"]
        if container["image"] == MISSING:
            raise BackupError("container mc is waiting to start")
        return self.chart.run(container)


def held(cluster: Cluster, kind: str) -> dict[str, dict[str, str]]:
    """What is in the Secrets or ConfigMaps of MinIO's namespace, by name."""
    found: dict[str, dict[str, str]] = {}
    for item in cluster.api.items("v1", kind, "minio"):
        name = item["metadata"]["name"]
        found[name] = item.get("data", {})
        if kind == "Secret" and item["type"] == "Opaque":
            found[name] = {
                key: base64.b64decode(value).decode() for key, value in found[name].items()
            }
    return found


def archive(now: datetime) -> dict[str, str]:
    """What the plugin has put into the target: a base backup, and a piece of the log."""
    folder = "copies/home/postgresql/postgresql"
    info = f"begin_time={now - timedelta(minutes=62)}\nend_time={now - timedelta(hours=1)}\n"
    return {
        f"{folder}/base/20261120T020005/backup.info": f"{info}status=DONE\n",
        f"{folder}/wals/0000000100000000/000000010000000000000001.gz": "log",
    }


@pytest.fixture(scope="module")
def place(cluster, tmp_path_factory) -> Generator[Place]:
    folder: Path = tmp_path_factory.mktemp("backup")
    with ExitStack() as stack:
        target = stack.enter_context(Store(folder / "target").running())
        file = folder / "Pulumi.home.yaml"
        text = HOME.read_text(encoding="utf-8")
        file.write_text(text + TARGET.format(url=target.url), encoding="utf-8")
        home = stack.enter_context(home_on(cluster))
        home.declare(read_stack_file(file))
        up = home.stage.engine.up()
        assert up.ok, up.output
        logins = held(cluster, "Secret")
        root = logins["minio-root"]
        store = Store(folder / "store", {}, root["rootUser"], root["rootPassword"])
        stack.enter_context(store.running())
        chart = Chart(folder / "files", store, logins, {}, target=target)
        for files in held(cluster, "ConfigMap").values():
            for name, content in files.items():
                (chart.folder / name).write_text(content, encoding="utf-8")
        admit(target, logins["minio-backup"], chart.folder)
        front = stack.enter_context(Front(cluster))
        operator = stack.enter_context(Operator(cluster))
        kubeconfig = front.kubeconfig(folder / "kubeconfig")
        made = Place(home, chart, operator, front, kubeconfig, file)
        for job in cluster.api.items("batch/v1", "Job", "minio"):
            made.run(job["metadata"]["name"])
        store.put(WRITTEN)
        target.put(archive(datetime.now(UTC)))
        yield made


@pytest.fixture
def ampere(place, monkeypatch, capsys, tmp_path):
    """The commands as a person runs them; what ``kubectl`` warns of is kept."""
    ask, start = Kubectl.run, subprocess.run

    def watched(words, **options):
        done = start(words, **options)
        if Path(words[0]).name == "kubectl":
            place.warnings += [line for line in done.stderr.splitlines() if "Warning" in line]
        return done

    def answered(self, *arguments, stdin=""):
        if arguments[0] == "logs":
            return place.run(arguments[1].partition("/")[2])
        return ask(self, *arguments, stdin=stdin)

    def run(*arguments):
        files = ("--config-file", str(place.file), "--kubeconfig", str(place.kubeconfig))
        status = cli.main([*arguments, *files])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path))
    monkeypatch.setattr(kubectl.subprocess, "run", watched)
    monkeypatch.setattr(Kubectl, "run", answered)
    monkeypatch.setattr(jobs, "PAUSE", 0.5)
    return run


class Terminal(io.StringIO):
    def isatty(self):
        return True


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_a_backup_is_made_by_objects_that_a_cluster_takes(place, ampere):
    status, told, complaint = ampere("backup", "home")
    assert (status, complaint) == (0, ""), told
    (backup,) = place.cluster.api.items(CNPG, "Backup", "postgresql")
    assert backup["spec"]["cluster"] == {"name": "postgresql"}
    assert backup["spec"]["pluginConfiguration"] == {"name": "barman-cloud.cloudnative-pg.io"}
    (job,) = place.jobs()
    assert job["metadata"]["name"] == backup["metadata"]["name"]
    assert job["status"]["succeeded"] == 1, "its pod was admitted and had room"
    assert "bucket warehouse: 1 objects, 4 bytes" in told
    stamp = json.loads(place.chart.target.mc("ls", "--json", "x/copies/home/minio/copies/"))["key"]
    for bucket in ("airflow-logs", "warehouse"):
        copied = place.chart.target.objects(f"copies/home/minio/copies/{stamp}{bucket}")
        assert copied == place.chart.store.objects(bucket)


def test_what_the_commands_make_is_admitted_without_a_warning(place, ampere):
    assert ampere("backup", "home")[0] == 0
    assert place.warnings == [], "Pod Security warns of what it would not let in, for one"
    host = place.cluster.given.settings.host.address
    assert place.front.asked == {f"CONNECT {host}:6443"}, "by the address that a person has"


@needs_upstream
def test_a_misspelt_field_is_refused(place):
    login = Kubectl(tools.path("kubectl"), "ampere-k8s", place.kubeconfig)
    metadata = {"name": "misspelt", "namespace": "postgresql"}
    spec = {"cluster": {"name": "postgresql"}, "methd": "plugin"}
    with pytest.raises(BackupError, match=r'unknown field "spec\.methd"'):
        login.create({"apiVersion": CNPG, "kind": "Backup", "metadata": metadata, "spec": spec})


def test_while_one_runs_no_other_begins(place, ampere):
    source = place.cluster.api.get("/apis/batch/v1/namespaces/minio/cronjobs/minio-backup")
    template = source["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["image"] = MISSING
    job = {"apiVersion": "batch/v1", "kind": "Job", **template}
    job["metadata"] = {**template["metadata"], "name": "by-schedule", "namespace": "minio"}
    place.cluster.api.request("POST", "/apis/batch/v1/namespaces/minio/jobs", job)
    await_true(lambda: place.cluster.api.read(job)["status"].get("active"), "it runs")
    before = len(place.jobs("any"))
    try:
        for command in (["backup", "home"], ["restore", "home", "--to", now(), "--yes"]):
            status, _, complaint = ampere(*command)
            assert status == 1
            assert re.match(r"job by-schedule of 20\S+Z is running: wait until", complaint)
            assert "`kubectl --namespace minio delete job by-schedule`" in complaint
        assert len(place.jobs("any")) == before, "nothing was begun"
    finally:
        place.cluster.api.delete(job)
        await_true(lambda: place.cluster.api.read(job) is None, "it is gone")


def test_a_backup_that_fails_is_told_by_name_and_reason(place, ampere):
    place.operator.reason = "rpc error: no space left on device"
    try:
        status, told, complaint = ampere("backup", "home")
    finally:
        place.operator.reason = ""
    assert status == 1
    name = place.jobs()[-1]["metadata"]["name"]
    assert complaint == f"backup {name} failed: rpc error: no space left on device\n"
    assert f"MinIO, job {name}: done" in told, "the other copy is whole"


def test_a_copy_that_fails_is_told_by_name_and_reason(place, ampere, monkeypatch):
    source = place.cluster.api.get("/apis/batch/v1/namespaces/minio/cronjobs/minio-backup")
    (container,) = source["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    say = parser._say

    def given_up(line):
        """Lets the Job take no longer, once it was told what it waits for."""
        say(line)
        job = re.search(r"job (\S+): waiting: ImagePullBackOff", line)
        if job is not None:
            path, kind = f"/apis/batch/v1/namespaces/minio/jobs/{job[1]}", MERGE
            place.cluster.api.request("PATCH", path, {"spec": {"activeDeadlineSeconds": 1}}, kind)

    monkeypatch.setattr(parser, "_say", given_up)
    set_image(place.cluster, MISSING)
    try:
        status, told, complaint = ampere("backup", "home")
    finally:
        set_image(place.cluster, container["image"])
    assert status == 1
    (failed,) = [job for job in place.jobs() if job["status"].get("failed")]
    name = failed["metadata"]["name"]
    reason = "Job was active longer than specified deadline"
    assert complaint == f"job {name} failed: {reason}\n"
    assert f"PostgreSQL, backup {name}: completed" in told, "the other one is whole"


def set_image(cluster: Cluster, image: str) -> None:
    """Have the Jobs that copy made of another image."""
    path = "/spec/jobTemplate/spec/template/spec/containers/0/image"
    change = json.dumps([{"op": "replace", "path": path, "value": image}])
    words = ("patch", "cronjob", "minio-backup", "--namespace", "minio", "--type", "json")
    done = cluster.kubectl(*words, "--patch", change)
    assert done.returncode == 0, done.stderr


def test_a_restore_says_first_what_it_overwrites_and_begins_nothing_without_a_yes(place, ampere):
    assert ampere("backup", "home")[0] == 0
    before = {bucket: place.chart.store.objects(bucket) for bucket in ("airflow-logs", "warehouse")}
    when = now()
    status, told, complaint = ampere("restore", "home", "--to", when)
    assert status == 2
    assert "nobody is at a terminal to agree: --yes agrees. Nothing was changed" in complaint
    for line in (
        f"a restore of cluster ampere-k8s to {when} overwrites:",
        "PostgreSQL: postgresql is replaced by a new cluster, postgresql-2",
        "  from the archive postgresql, base backup of 20",
        "MinIO: its buckets become again what is in the copy of 20",
        "  bucket warehouse: 1 objects, 4 bytes now, 1 objects, 4 bytes then",
    ):
        assert line in told, told
    assert len(place.jobs("survey-")) == 1
    assert place.jobs("restore-") == []
    assert parse("home", read_stack_file(place.file)).recovery == NEVER
    for bucket, objects in before.items():
        assert place.chart.store.objects(bucket) == objects


def test_a_restore_and_the_next_up_bring_back_both(place, ampere, monkeypatch):
    assert ampere("backup", "home")[0] == 0
    when = now()
    store = place.chart.store
    store.put({"airflow-logs/new": "x", "warehouse/table": "rots"})
    monkeypatch.setattr("sys.stdin", Terminal("ampere-k8s\n"))
    status, told, complaint = ampere("restore", "home", "--to", when)
    assert (status, complaint) == (0, ""), told
    (job,) = place.jobs("restore-")
    assert job["status"]["succeeded"] == 1
    place.run(job["metadata"]["name"])
    assert store.objects("airflow-logs") == {"dag/1.log": "first"}
    assert store.objects("warehouse") == {"table": "rows"}
    place.home.declare(read_stack_file(place.file))
    up = place.home.stage.engine.up()
    assert up.ok, up.output
    items = place.cluster.api.items(CNPG, "Cluster", "postgresql")
    clusters = {item["metadata"]["name"]: item for item in items}
    assert sorted(clusters) == ["postgresql", "postgresql-2"]
    assert clusters["postgresql"]["metadata"]["annotations"]["cnpg.io/hibernation"] == "on"
    (source,) = clusters["postgresql-2"]["spec"]["externalClusters"]
    assert source["plugin"]["parameters"]["serverName"] == "postgresql", "made from its archive"
    again = place.home.stage.engine.up()
    assert (again.code, again.changed) == (0, 0), again.output
    assert place.home.stage.world.warnings == []
    assert place.warnings == []
