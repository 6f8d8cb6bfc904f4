"""MinIO's buckets, users and copies, by the chart's own Jobs and real servers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ampere_infra.backup.catalogue import read
from tests.copies.stores import admit, chart, login
from tests.programs.object_store import Store

STAMP = "%Y%m%dT%H%M%SZ"
INFO = """\
backup_label=None
begin_time=2026-11-20 02:00:05.123456+00:00
end_time=2026-11-20 02:03:05.5+00:00
mode=concurrent
status=DONE
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    protected = {"MINIO_PROMETHEUS_AUTH_TYPE": "jwt"}
    with (
        Store(folder / "store", protected).running() as store,
        Store(folder / "target").running() as target,
    ):
        yield store, target


@pytest.fixture(scope="module")
def minio(stores, tmp_path_factory):
    """The chart, provisioned, with a second target."""
    made = chart(tmp_path_factory.mktemp("chart") / "files", *stores)
    admit(made.target, made.secrets["minio-backup"], made.folder)
    made.provision()
    return made


@pytest.fixture
def filled(minio):
    """Something in one bucket, nothing in the other, and no copy yet."""
    for place in ("x/airflow-logs/", "x/warehouse/"):
        minio.store.try_mc("rm", "--recursive", "--force", place)
    minio.target.try_mc("rm", "--recursive", "--force", "x/copies/")
    minio.store.put({"airflow-logs/dag/1.log": "first", "airflow-logs/dag/2.log": "second"})
    return minio


def catalogue(minio):
    return read(minio.copies("survey").splitlines())


def stamps(minio):
    lines = minio.target.mc("ls", "--json", "x/copies/home/minio/copies/").splitlines()
    return [json.loads(line)["key"].rstrip("/") for line in lines]


def as_if_made(minio, *days_ago, whole=True):
    """Copies of earlier days, as if they had been made then."""
    made = []
    for days in days_ago:
        stamp = f"{datetime.now(UTC) - timedelta(days=days):{STAMP}}"
        minio.target.put({f"copies/home/minio/copies/{stamp}/airflow-logs/old": "old"})
        if whole:
            minio.target.put({f"copies/home/minio/complete/{stamp}.json": "{}"})
        made.append(stamp)
    return made


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_provisioning_again_changes_nothing(minio, shell):
    minio.shell = shell
    before = (minio.store.users(), minio.store.policies(), minio.store.mc("ls", "x"))
    minio.provision()
    assert (minio.store.users(), minio.store.policies(), minio.store.mc("ls", "x")) == before
    assert before[0] == {f"access{name}": f"minio-{name}" for name in ("airflow", "dbt", "backup")}


def test_another_access_key_is_another_user_and_the_old_one_goes(minio):
    minio.store.mc("admin", "user", "add", "x", "somebody", "somebodys-password")
    minio.store.mc("admin", "policy", "attach", "x", "readonly", "--user", "somebody")
    old = minio.secrets["minio-user-dbt"]
    minio.secrets["minio-user-dbt"] = login("another")
    said = minio.provision()
    assert "removed a user whose access key is no longer in use" in said
    assert minio.store.users() == {
        "accessairflow": "minio-airflow",
        "accessbackup": "minio-backup",
        "another": "minio-dbt",
        "somebody": "readonly",
    }, "a person's own user stays"
    assert minio.store.try_mc("ls", "x/warehouse", login=old).returncode != 0
    minio.store.mc("ls", "x/warehouse", login=minio.secrets["minio-user-dbt"])
    minio.store.mc("admin", "user", "remove", "x", "somebody")


def test_a_changed_secret_key_is_the_one_that_counts(minio):
    old = minio.secrets["minio-user-airflow"]
    minio.secrets["minio-user-airflow"] = new = login(old["accessKey"])
    minio.provision()
    minio.store.mc("ls", "x/airflow-logs", login=new)
    assert minio.store.try_mc("ls", "x/airflow-logs", login=old).returncode != 0


def test_a_consumer_that_is_taken_out_loses_its_user_and_its_policy(minio):
    users = minio.values["users"]
    try:
        minio.values["users"] = [user for user in users if user["name"] != "airflow"]
        minio.provision()
        assert "accessairflow" not in minio.store.users()
        assert "minio-airflow" not in minio.store.policies()
        assert "readwrite" in minio.store.policies(), "MinIO's own stay"
        assert "airflow-logs" in minio.store.mc("ls", "x"), "and so does what it wrote"
    finally:
        minio.values["users"] = users
        minio.provision()


def test_a_user_has_its_own_bucket_and_who_copies_only_reads(minio):
    airflow, reader = (minio.secrets[f"minio-user-{name}"] for name in ("airflow", "backup"))
    minio.store.mc("pipe", "x/airflow-logs/own", given="own", login=airflow)
    assert minio.store.mc("cat", "x/airflow-logs/own", login=reader) == "own"
    for keys, words in (
        (airflow, ("ls", "x/warehouse")),
        (airflow, ("pipe", "x/warehouse/other")),
        (airflow, ("admin", "user", "list", "x")),
        (reader, ("pipe", "x/airflow-logs/other")),
        (reader, ("rm", "x/airflow-logs/own")),
    ):
        refused = minio.store.try_mc(*words, given="text", login=keys)
        assert refused.returncode != 0, words


def test_metrics_need_a_token_that_the_administrator_makes(minio):
    path = "/minio/v2/metrics/cluster"
    assert minio.store.status(path) == 403, "the LAN reaches this port"
    lines = minio.store.mc("admin", "prometheus", "generate", "x", "--json")
    assert minio.store.status(path, json.loads(lines)["bearerToken"]) == 200


def test_a_copy_is_whole_and_told_with_what_it_holds(filled):
    said = filled.copies("copy")
    assert 'copied: {"bucket":"airflow-logs","objects":2,"size":11}' in said
    (copy,) = catalogue(filled).copies
    assert {c.bucket: (c.objects, c.size) for c in copy.buckets} == {
        "airflow-logs": (2, 11),
        "warehouse": (0, 0),
    }
    assert filled.target.objects(f"copies/home/minio/copies/{copy.stamp}/airflow-logs") == {
        "dag/1.log": "first",
        "dag/2.log": "second",
    }


def test_a_restore_brings_back_each_object_and_nothing_else(filled):
    filled.copies("copy")
    (copy,) = catalogue(filled).copies
    before = filled.store.objects("airflow-logs")
    filled.store.put(
        {"airflow-logs/dag/1.log": "FIRST", "airflow-logs/new": "x", "warehouse/n": "x"}
    )
    filled.store.mc("rm", "x/airflow-logs/dag/2.log")
    for _ in range(2):
        filled.copies(*("restore", copy.stamp, "airflow-logs", "warehouse"), job="minio-restore")
        assert filled.store.objects("airflow-logs") == before, (
            "an object that is younger than its copy and as long is restored too"
        )
        assert filled.store.objects("warehouse") == {}, "it was empty then"


def test_a_restore_of_a_copy_that_is_not_there_changes_nothing(filled):
    before = filled.store.objects("airflow-logs")
    assert filled.try_copies("restore", "20200101T000000Z", "airflow-logs") != 0
    assert filled.store.objects("airflow-logs") == before


def test_a_copy_that_lost_an_object_is_not_restored(filled):
    filled.copies("copy")
    (copy,) = catalogue(filled).copies
    before = filled.store.objects("airflow-logs")
    filled.target.mc("rm", f"x/copies/home/minio/copies/{copy.stamp}/airflow-logs/dag/1.log")
    for left in ("dag/2.log", None):
        assert filled.try_copies("restore", copy.stamp, "airflow-logs", job="minio-restore") != 0
        assert filled.store.objects("airflow-logs") == before, "nothing may be lost for it"
        if left:
            filled.target.mc("rm", f"x/copies/home/minio/copies/{copy.stamp}/airflow-logs/{left}")


def test_objects_of_any_name_are_copied_and_restored(filled):
    names = {"airflow-logs/a b/ü %20+.log": "odd", "airflow-logs/dag_id=x/run:1/*.log": "odder"}
    filled.store.put(names)
    before = filled.store.objects("airflow-logs")
    filled.copies("copy")
    (copy,) = catalogue(filled).copies
    filled.store.mc("rm", "--recursive", "--force", "x/airflow-logs/")
    filled.copies("restore", copy.stamp, "airflow-logs", job="minio-restore")
    assert filled.store.objects("airflow-logs") == before
    assert len(before) == 4


def test_a_copy_that_broke_off_is_none(filled):
    assert filled.try_copies("copy", BUCKETS="airflow-logs no-such-bucket") != 0
    assert len(stamps(filled)) == 1, "something was copied"
    assert catalogue(filled).copies == []


def test_copies_older_than_the_days_to_keep_go_but_for_the_youngest_of_them(filled):
    old = as_if_made(filled, 30, 20, 9, 3)
    broken = as_if_made(filled, 2, whole=False)
    filled.copies("copy", RETENTION_DAYS="7")
    left = stamps(filled)
    assert left[:2] == old[2:], "a restore to seven days ago begins with the copy of nine days ago"
    assert len(left) == 3, "and today's"
    assert broken[0] not in left
    marks = filled.target.mc("ls", "x/copies/home/minio/complete/")
    assert old[0] not in marks
    assert old[2] in marks


def test_the_survey_shows_what_is_there_and_the_archives_of_postgresql(filled):
    archive = "copies/home/postgresql/postgresql"
    filled.target.put(
        {
            f"{archive}/base/20261120T020005/backup.info": INFO,
            f"{archive}/base/20261120T020005/data.tar.gz": "data",
            f"{archive}/wals/0000000100000000/000000010000000000000001.gz": "log",
            f"{archive}/wals/0000000100000001/000000010000000100000001.gz": "log",
            f"{archive}/wals/00000002.history.gz": "history",
        }
    )
    found = catalogue(filled)
    assert [(c.bucket, c.objects) for c in found.now] == [("airflow-logs", 2), ("warehouse", 0)]
    assert found.archives["postgresql"].finished() == [
        datetime(2026, 11, 20, 2, 3, 5, 500000, tzinfo=UTC)
    ]
    until = found.archives["postgresql"].until
    assert until is not None
    assert abs(datetime.now(UTC) - until) < timedelta(hours=1)


def test_an_empty_target_is_no_error(filled):
    found = catalogue(filled)
    assert (found.copies, found.archives) == ([], {})


def test_no_job_ever_prints_a_login(minio):
    said = "\n".join(minio.said)
    assert "copied:" in said, "and they did print something"
    for name, entries in minio.secrets.items():
        for key in ("secretKey", "rootPassword"):
            assert entries.get(key, "\0") not in said, name
