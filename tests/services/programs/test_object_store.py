"""Who reaches which bucket, by the policies that the chart makes."""

from __future__ import annotations

import re

import pytest

USERS = {"airflow": "airflow-logs", "dbt": "warehouse"}


def login(made, user):
    return made.secrets[f"minio/minio-user-{user}"]


@pytest.mark.parametrize(("user", "bucket"), USERS.items())
def test_a_user_reads_and_writes_its_own_bucket(made, store, user, bucket):
    keys = login(made, user)
    target = f"x/{bucket}/own.txt"
    assert store.try_mc("pipe", target, given="mine", login=keys).returncode == 0
    assert store.try_mc("cat", target, login=keys).stdout == "mine"
    assert store.try_mc("rm", target, login=keys).returncode == 0


@pytest.mark.parametrize(("user", "other"), [("airflow", "warehouse"), ("dbt", "airflow-logs")])
def test_a_user_does_not_reach_anothers_bucket(made, store, user, other):
    keys, target = login(made, user), f"x/{other}/not-mine.txt"
    for refused in (
        store.try_mc("pipe", target, given="not mine", login=keys),
        store.try_mc("ls", f"x/{other}", login=keys),
        store.try_mc("rb", "--force", f"x/{other}", login=keys),
    ):
        assert refused.returncode != 0
        assert re.search("Access Denied|Insufficient permissions", refused.stderr), refused.stderr


@pytest.mark.parametrize("user", USERS)
def test_a_user_administers_nothing(made, store, user):
    keys = login(made, user)
    for command in (("admin", "user", "list", "x"), ("mb", "x/another")):
        assert store.try_mc(*command, login=keys).returncode != 0, command


def test_nobody_reads_without_a_login(store):
    assert "is `private`" in store.mc("anonymous", "get", "x/warehouse")
