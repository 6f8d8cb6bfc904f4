"""Who reaches which bucket, by the policies that the chart makes."""

from __future__ import annotations

import re

import pytest

USERS = {"airflow": "airflow-logs", "dbt": "warehouse"}


def login(made, user):
    secret = made.secrets[f"minio/minio-user-{user}"]
    return secret["accessKey"], secret["secretKey"]


@pytest.mark.parametrize(("user", "bucket"), USERS.items())
def test_a_user_reads_and_writes_its_own_bucket(made, store, user, bucket):
    keys = login(made, user)
    target = f"store/{bucket}/own.txt"
    assert store.ask(*keys, "pipe", target, given="mine").returncode == 0
    assert store.ask(*keys, "cat", target).stdout == "mine"
    assert store.ask(*keys, "rm", target).returncode == 0


@pytest.mark.parametrize(("user", "other"), [("airflow", "warehouse"), ("dbt", "airflow-logs")])
def test_a_user_does_not_reach_anothers_bucket(made, store, user, other):
    keys, target = login(made, user), f"store/{other}/not-mine.txt"
    for refused in (
        store.ask(*keys, "pipe", target, given="not mine"),
        store.ask(*keys, "ls", f"store/{other}"),
        store.ask(*keys, "rb", "--force", f"store/{other}"),
    ):
        assert refused.returncode != 0
        assert re.search("Access Denied|Insufficient permissions", refused.stderr), refused.stderr


@pytest.mark.parametrize("user", USERS)
def test_a_user_administers_nothing(made, store, user):
    keys = login(made, user)
    for command in (("admin", "user", "list", "store"), ("mb", "store/another")):
        assert store.ask(*keys, *command).returncode != 0, command


def test_nobody_reads_without_a_login(made, store):
    root = made.secrets["minio/minio-root"]
    asked = store.ask(root["rootUser"], root["rootPassword"], "anonymous", "get", "store/warehouse")
    assert "is `private`" in asked.stdout, asked.stdout + asked.stderr
