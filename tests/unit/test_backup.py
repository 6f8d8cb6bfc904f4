"""`ampere backup` and `ampere restore` at the command line, against what kubectl shows."""

from __future__ import annotations

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backup_cases import FakeCluster

from ampere_infra import cli, tools
from ampere_infra.backup import jobs, kubectl
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.recovery import NEVER, Recovery

TARGET = """\
    backup:
      endpoint: https://s3.example.com
      bucket: copies
"""


@pytest.fixture
def stack(tmp_path):
    """The project's own stack file, with a second S3 target."""
    text = (cli.PROJECT / "Pulumi.home.yaml").read_text(encoding="utf-8")
    file = tmp_path / "Pulumi.home.yaml"
    file.write_text(text + TARGET, encoding="utf-8")
    return file


@pytest.fixture
def there(monkeypatch):
    found = FakeCluster()
    monkeypatch.setattr(kubectl.subprocess, "run", found.run)
    monkeypatch.setattr(tools, "path", Path)
    monkeypatch.setattr(jobs, "PAUSE", 0.001)
    return found


@pytest.fixture
def ampere(stack, there, capsys):
    def run(*arguments):
        status = cli.main([*arguments, "--config-file", str(stack)])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def recovery_in(file):
    return parse("home", read_stack_file(file)).recovery


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_backup_makes_both_copies_and_says_what_was_copied(ampere, there):
    status, told, complaint = ampere("backup", "home")
    assert (status, complaint) == (0, "")
    backup, job = there.made
    assert backup["spec"] == {
        "cluster": {"name": "postgresql"},
        "method": "plugin",
        "pluginConfiguration": {"name": "barman-cloud.cloudnative-pg.io"},
    }
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["copy"]
    assert "https://s3.example.com, copies/home" in told
    assert "waiting for the operator" in told, "each step is told"
    assert told.count(": started") == 1, "and told once"
    assert "bucket warehouse: 3 objects, 2.0 KiB" in told
    assert told.endswith("done: `ampere restore` can go back to this moment\n")


def test_a_backup_whose_log_does_not_arrive_says_so(ampere, there, monkeypatch):
    monkeypatch.setattr(jobs, "PAUSE", 30)
    monkeypatch.setattr(jobs.time, "sleep", lambda *_: None)
    there.archived = ["000000010000000000000007.00000028.backup"]
    status, told, _ = ampere("backup", "home")
    assert status == 0, "both copies are whole"
    assert "PostgreSQL's log of since then did not arrive in 120 seconds" in told


def test_a_backup_that_fails_lets_the_other_copy_end(ampere, there):
    there.phases = ["failed"]
    status, told, complaint = ampere("backup", "home")
    assert status == 1
    assert "failed: no space left" in complaint
    assert "MinIO, job" in told
    assert "done" in told


def test_a_copy_that_fails_shows_the_end_of_its_log(ampere, there):
    there.fails["copy"] = "BackoffLimitExceeded"
    status, _, complaint = ampere("backup", "home")
    assert status == 1
    assert "BackoffLimitExceeded\n  copying warehouse" in complaint


def test_a_backup_that_does_not_end_is_left_after_the_time_given(ampere, there, monkeypatch):
    monkeypatch.setattr(jobs, "PAUSE", 30)
    monkeypatch.setattr(jobs.time, "sleep", lambda *_: None)
    there.phases = ["running"]
    status, _, complaint = ampere("backup", "home", "--timeout", "1")
    assert status == 1
    assert "is still running after 1 minutes" in complaint


def test_an_interrupted_wait_says_that_the_backup_goes_on(ampere, there, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "wait", interrupted)
    status, told, _ = ampere("backup", "home")
    assert status == 130
    assert "both go on in the cluster" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"server": "https://10.0.0.9:6443"}, "leads to https://10.0.0.9:6443, and the API of"),
        ({"context": "other"}, "kubectl knows no context ampere-k8s; write the stack's own"),
        ({"cron_jobs": []}, "is not set up for copies to https://s3.example.com yet: run `pulumi"),
        (
            {"fails": {"get": "The connection to the server was refused: connection refused"}},
            "the cluster does not answer",
        ),
        (
            {"fails": {"get": "x509: certificate has expired or is not yet valid"}},
            "does not let this kubeconfig in",
        ),
        (
            {"backups": [{"metadata": {"name": "b"}, "status": {"phase": "running"}}]},
            "backup b of ? is running: wait until it has ended",
        ),
        (
            {"jobs": [{"metadata": {"name": "j"}, "status": {"active": 1}}]},
            "kubectl --namespace minio delete job j",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_begun(change, told, ampere, there):
    for name, value in change.items():
        setattr(there, name, value)
    for command in (["backup", "home"], ["restore", "home", "--to", "2025-03-02T10:00:00Z"]):
        status, _, complaint = ampere(*command)
        assert status == 1
        assert told in complaint
        assert there.made == []


@pytest.mark.parametrize("command", [["backup"], ["restore", "--to", "2025-03-02T10:00:00Z"]])
def test_without_a_second_target_both_say_where_to_name_one(command, ampere, stack):
    shutil.copy(cli.PROJECT / "Pulumi.home.yaml", stack)
    status, _, complaint = ampere(command[0], "home", *command[1:])
    assert status == 2
    assert "ampere:services.backup names no second S3 target" in complaint


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("2999-01-01T00:00:00Z", "is in the future: it is 20"),
        ("2025-03-02T10:00:00", "has no zone; did you mean 2025-03-02T10:00:00Z (UTC)"),
        ("yesterday", "is no point in time; write date, time and zone"),
        ("2025-02-30T10:00:00Z", "is no point in time"),
        ("0001-01-01T00:00:00+14:00", "is no point in time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_before_the_cluster_is_asked(to, told, ampere, there):
    there.fails["config"] = "must not be asked"
    status, _, complaint = ampere("restore", "home", "--to", to)
    assert status == 2
    assert told in complaint


@pytest.mark.parametrize(
    ("to", "what", "oldest"),
    [
        ("2025-03-01T03:00:00Z", "backup of PostgreSQL", "2025-03-01T03:02:01Z"),
        ("2025-03-01T04:05:00+01:00", "copy of MinIO", "2025-03-01T03:07:00Z"),
    ],
)
def test_without_a_backup_from_before_that_time_nothing_is_restored(to, what, oldest, ampere):
    status, _, complaint = ampere("restore", "home", "--to", to, "--yes")
    assert status == 2
    assert f"there is no {what} from before" in complaint
    assert f"the oldest is of {oldest}. Nothing was changed" in complaint


def test_a_target_without_any_copy_says_so(ampere, there, stack):
    there.survey = ""
    status, _, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")
    assert status == 2
    assert "there is none at all" in complaint
    assert [thing["kind"] for thing in there.made] == ["Job"], "only the survey ran"
    assert recovery_in(stack) == NEVER


def test_a_restore_says_first_what_it_overwrites(ampere):
    status, told, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z")
    assert status == 2
    assert "nobody is at a terminal to agree: --yes agrees. Nothing was changed" in complaint
    for line in (
        "a restore of cluster ampere-k8s to 2025-03-02T10:00:00Z overwrites:",
        "PostgreSQL: postgresql is replaced by a new cluster, postgresql-2",
        "  database airflow: 50.0 MiB",
        "  database platform: 8.0 MiB",
        "  from the archive postgresql, base backup of 2025-03-02T03:02:01Z (",
        "  with all changes until 2025-03-02T10:00:00Z",
        "  postgresql stays as it is, asleep, with its volumes",
        "MinIO: its buckets become again what is in the copy of 2025-03-02T03:08:00Z (",
        "  bucket warehouse: 12 objects, 3.0 GiB now, 11 objects, 2.9 KiB then",
        "  bucket gone: left out, for ampere:services.minio.buckets does not have it",
    ):
        assert line in told, told


def test_a_restore_does_what_it_said_once_the_name_is_typed(ampere, there, stack, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("ampere-k8s\n"))
    before = stack.read_text(encoding="utf-8")
    status, told, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z")
    assert (status, complaint) == (0, "")
    assert there.arguments("ampere-restore") == [
        *("restore", "20250302T030000Z"),
        *("airflow-logs", "warehouse"),
    ]
    assert recovery_in(stack) == Recovery(
        generation=2, source="postgresql", to="2025-03-02T10:00:00Z", kept=("postgresql",)
    )
    assert stack.read_text(encoding="utf-8").startswith(before), "nothing else was touched"
    assert "`pulumi up --stack home` makes it; then commit the file" in told


def test_another_name_changes_nothing(ampere, there, stack, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    status, _, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z")
    assert status == 1
    assert complaint.strip() == "nothing was changed"
    assert len(there.made) == 1, "only the survey ran"
    assert recovery_in(stack) == NEVER


def test_a_copy_that_cannot_be_taken_back_leaves_the_database_alone(ampere, there, stack):
    there.fails["restore"] = "BackoffLimitExceeded"
    status, _, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")
    assert status == 1
    assert "BackoffLimitExceeded" in complaint
    assert recovery_in(stack) == NEVER, "so that the same command can be run again"


def test_a_database_that_answers_makes_any_moment_one_that_recovery_can_stop_at(
    ampere, there, stack
):
    """Its clock passes the moment, so the transaction put into the archive is of after it."""
    there.survey = there.survey.replace("2025-03-03T12:00:00Z", "2025-03-02T09:00:00Z")
    status, told, _ = ampere("restore", "home", "--to", "2025-03-03T13:30:00Z", "--yes")
    assert status == 0
    assert "with all changes until 2025-03-03T13:30:00Z\n" in told
    assert "PostgreSQL will not start" not in told
    assert recovery_in(stack).to == "2025-03-03T13:30:00Z"


DEAD: dict[str, dict[str, object]] = {
    "it does not answer": {"fails": {"exec": "unable to upgrade connection"}},
    "it is not made yet": {"clusters": []},
    "its log does not arrive": {"archived": ["000000010000000000000007"]},
    "its clock is behind": {"clock": 1.0},
    "it says something else": {"clock": "psql: warning"},
}


@pytest.mark.parametrize("how", DEAD)
def test_without_a_transaction_of_after_the_moment_it_is_said_what_may_happen(
    how, ampere, there, stack, monkeypatch
):
    monkeypatch.setattr(jobs, "PAUSE", 30)
    monkeypatch.setattr(jobs.time, "sleep", lambda *_: None)
    for name, value in DEAD[how].items():
        setattr(there, name, value)
    status, told, _ = ampere("restore", "home", "--to", "2025-03-03T11:59:00Z", "--yes")
    assert status == 0
    assert "  if no later change is in the archive, PostgreSQL will not start" in told
    assert recovery_in(stack).to == "2025-03-03T11:59:00Z", (
        "all of the archive would also bring back what the moment was chosen to leave out"
    )


@pytest.mark.parametrize("how", DEAD)
def test_what_is_not_archived_is_said_and_all_that_is_is_taken(
    how, ampere, there, stack, monkeypatch
):
    monkeypatch.setattr(jobs, "PAUSE", 30)
    monkeypatch.setattr(jobs.time, "sleep", lambda *_: None)
    for name, value in DEAD[how].items():
        setattr(there, name, value)
    status, told, _ = ampere("restore", "home", "--to", "2025-03-03T13:30:00Z", "--yes")
    assert status == 0
    assert "until 2025-03-03T12:00:00Z:" in told
    assert "the last 90 minutes before 2025-03-03T13:30:00Z are in no archive" in told
    assert recovery_in(stack).to is None, "PostgreSQL ends in an error before a time it never saw"


def test_the_archive_of_an_earlier_generation_gets_no_transaction_any_more(ampere, there, stack):
    assert ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")[0] == 0
    there.clusters = ["postgresql", "postgresql-2"]
    status, told, _ = ampere("restore", "home", "--to", "2025-03-02T11:00:00Z", "--yes")
    assert status == 0
    assert "PostgreSQL will not start" in told, "what is in use writes to another archive"
    assert recovery_in(stack).to == "2025-03-02T11:00:00Z"


@pytest.mark.parametrize(("only", "kinds"), [("postgresql", 1), ("minio", 2)])
def test_one_of_them_can_be_restored_alone(only, kinds, ampere, there, stack):
    arguments = ("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes", "--only", only)
    assert ampere(*arguments)[0] == 0
    assert len(there.made) == kinds
    assert (recovery_in(stack) == NEVER) is (only == "minio")


def test_the_same_restore_again_before_the_next_up_names_the_same_generation(ampere, stack):
    for to in ("2025-03-02T10:00:00Z", "2025-03-01T10:00:00Z"):
        assert ampere("restore", "home", "--to", to, "--yes", "--only", "postgresql")[0] == 0
    found = recovery_in(stack)
    assert (found.generation, found.to) == (2, "2025-03-01T10:00:00Z")
    assert stack.read_text(encoding="utf-8").count("ampere:recovery:") == 1


def test_a_second_restore_takes_the_youngest_generation_that_is_old_enough(ampere, there, stack):
    assert ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")[0] == 0
    there.clusters = ["postgresql", "postgresql-2"]
    there.survey += (
        "@base postgresql-2 20250304T030001 end_time=2025-03-04 03:02:01+00:00\n"
        "@base postgresql-2 20250304T030001 status=DONE\n"
        '@wal postgresql-2 {"lastModified":"2025-03-05T12:00:00Z"}\n'
    )
    for to, source in (("2025-03-04T10:00:00Z", "postgresql-2"), ("2025-03-02T10:00:00Z", None)):
        assert ampere("restore", "home", "--to", to, "--yes")[0] == 0
        found = recovery_in(stack)
        assert found.generation == 3, "2 is in use"
        assert found.source == (source or "postgresql")
        assert found.kept == ("postgresql", "postgresql-2")


def test_a_rebuilt_home_passes_over_the_archives_of_the_one_before(ampere, there, stack):
    there.survey += (
        "@base postgresql-2 20250304T030001 end_time=2025-03-04 03:02:01+00:00\n"
        "@base postgresql-2 20250304T030001 status=DONE\n"
    )
    assert ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")[0] == 0
    assert recovery_in(stack).generation == 3, "a new cluster refuses an archive with content"


def test_a_database_that_does_not_answer_can_be_restored(ampere, there):
    there.fails["exec"] = "error: unable to upgrade connection: pod does not exist"
    status, told, _ = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")
    assert status == 0
    assert "databases that do not answer, so their sizes are unknown" in told


def test_a_stack_file_keeps_its_line_ends(ampere, stack):
    stack.write_bytes(stack.read_bytes().replace(b"\n", b"\r\n"))
    for to in ("2025-03-02T10:00:00Z", "2025-03-01T10:00:00Z"):
        assert ampere("restore", "home", "--to", to, "--yes")[0] == 0
    content = stack.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_stack_file_that_is_written_otherwise_is_not_touched(ampere, stack):
    text = stack.read_text(encoding="utf-8").replace("config:\n", "config:\n  ? ampere:recovery\n"
                                                     "  : {generation: 1}\n")  # fmt: skip
    stack.write_text(text, encoding="utf-8")
    status, _, complaint = ampere("restore", "home", "--to", "2025-03-02T10:00:00Z", "--yes")
    assert status == 1
    assert "write this below `config:`" in complaint
    assert "generation: 2" in complaint
    assert stack.read_text(encoding="utf-8") == text
    assert list(stack.parent.iterdir()) == [stack], "no leftover"


def test_barmans_older_way_to_write_a_time_is_read():
    from ampere_infra.backup.catalogue import read  # noqa: PLC0415 - only here

    facts = ["@base p 1 end_time=Sun Mar  2 03:02:01 2025", "@base p 1 status=DONE"]
    (archive,) = read(facts).archives.values()
    assert archive.finished() == [datetime(2025, 3, 2, 3, 2, 1, tzinfo=UTC)]
