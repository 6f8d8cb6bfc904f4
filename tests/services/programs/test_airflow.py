"""Airflow with the connection string, the keys and the logins of the very Secrets of the stack."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.drill import fast_folder
from tests.programs.airflow import Airflow, airflow, create_user
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DAGS = Path(__file__).parent / "dags"
RUN = "/api/v2/dags/rounds/dagRuns"
ENDED = {"success", "failed"}


@pytest.fixture(scope="module")
def served(made, moved, airflow_programs) -> Generator[Airflow]:
    """An Airflow that serves, migrated and with its first user."""
    folder = fast_folder()
    try:
        server = airflow(airflow_programs, folder, made, moved)
        shutil.copytree(DAGS, folder / "dags")
        migrated = server.run("airflow", "db", "migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        created = create_user(server, made)
        assert created.returncode == 0, created.stdout + created.stderr
        with server.serving():
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def token(served, made) -> str:
    """What a login with the administrator's Secret gives."""
    status, answer = served.ask("/auth/token", dict(made.secrets["airflow/airflow-admin"]))
    assert status == 201, answer
    return answer["access_token"]


@pytest.fixture(scope="module")
def run(served, token) -> str:
    """A run of the DAG, which has ended."""

    def known() -> bool:
        return served.ask("/api/v2/dags/rounds", token=token)[0] == 200

    await_true(known, "the DAG processor finds the DAG", said=served.said)
    served.ask("/api/v2/dags/rounds", {"is_paused": False}, token, "PATCH")
    status, made = served.ask(RUN, {"logical_date": None}, token)
    assert status == 200, made
    name = made["dag_run_id"]

    def ended() -> bool:
        return served.ask(f"{RUN}/{name}", token=token)[1]["state"] in ENDED

    await_true(ended, "the DAG's run ends", said=served.said)
    return name


def test_the_api_server_is_healthy_on_the_path_of_its_probes(served):
    def healthy() -> bool:
        parts = served.health()
        return all(
            parts[part]["status"] == "healthy"
            for part in ("metadatabase", "scheduler", "dag_processor")
        )

    await_true(healthy, "database, scheduler and DAG processor are healthy", said=served.said)


def test_the_users_of_the_tables_are_in_airflows_own_database(served, database):
    assert int(database.as_owner("select count(*) from dag_run", "airflow")) >= 0
    assert database.as_owner("select to_regclass('dag_run') is null", "platform") == "t"
    assert (
        database.as_owner("select usename from pg_stat_activity where datname = 'airflow' limit 1")
        == "airflow"
    )


@pytest.mark.parametrize(("user", "password"), [("admin", "admin"), ("airflow", "airflow")])
def test_there_is_no_default_user(served, user, password):
    status, _ = served.ask("/auth/token", {"username": user, "password": password})
    assert status == 401


def test_a_second_run_of_the_users_job_only_sets_the_password(served, made):
    again = create_user(served, made)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "already exist" in again.stdout + again.stderr
    password = made.secrets["airflow/airflow-admin"]["password"]
    assert password not in again.stdout + again.stderr


def test_a_dag_runs_to_its_end(served, token, run):
    state = served.ask(f"{RUN}/{run}", token=token)[1]["state"]
    assert state == "success", served.said()


@pytest.fixture
def log_of(served, made, store, run) -> Callable[[str], str]:
    """Read a task's log from the object store, as Airflow's own user there."""
    keys = made.secrets["minio/minio-user-airflow"]
    bucket = "x/airflow-logs/logs/"

    def read(task: str) -> str:
        pattern = rf"\S*dag_id=rounds/run_id={re.escape(run)}/task_id={task}/\S+"

        def kept() -> list[str]:
            return re.findall(pattern, store.try_mc("ls", "--recursive", bucket, login=keys).stdout)

        # A task has its state before its log is away.
        (path,) = await_true(kept, f"the log of {task} is in the object store", said=served.said)
        return store.try_mc("cat", f"{bucket}{path}", login=keys).stdout

    return read


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("database", "the task is in platform, TLS True"),
        ("bucket", "the bucket holds platform"),
        ("bucket", "the other bucket: AccessDenied"),
        ("duckdb", "the warehouse holds 3"),
        ("duckdb", "the logs' bucket: 403"),
    ],
)
def test_a_tasks_log_is_in_the_object_store(log_of, task, said):
    assert said in log_of(task)


def test_the_api_server_reads_the_log_from_there(served, token, run):
    for kept in (served.folder / "logs").glob("dag_id=rounds"):
        shutil.rmtree(kept)
    status, log = served.ask(f"{RUN}/{run}/taskInstances/database/logs/1", token=token)
    assert status == 200, log
    assert "the task is in platform" in str(log)


def test_no_secret_stands_in_what_airflow_says(served, made, run):
    said = "".join(log.read_text(errors="replace") for log in served.folder.glob("*.log"))
    secrets = {
        value
        for name in ("airflow-keys", "airflow-connections", "airflow-admin")
        for key, value in made.secrets[f"airflow/{name}"].items()
        if key != "username"
    }
    assert not [value for value in secrets if value in said]
