"""dbt with DuckDB on a real S3 server, with the environment that its tasks are given."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ampere_infra.rehearsal.project import SOURCE

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = SOURCE / "images" / "dbt"
PROJECT = """\
name: books
profile: ampere
models:
  books:
    +materialized: external
"""
RAW = "title,pages\nEmma,474\nPersuasion,249\nMansfield Park,560\n"
MODELS = {
    "long.sql": """\
select title, pages from read_csv('s3://{{ env_var("DBT_S3_BUCKET") }}/raw/books.csv')
where pages > 300
""",
    "summary.sql": "select count(*) as books, sum(pages)::int as pages from {{ ref('long') }}\n",
}
STRAY = "select * from read_csv('s3://airflow-logs/raw/books.csv')\n"


@pytest.fixture
def project(tmp_path) -> Path:
    """A project of two models, one made of the other."""
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    for name, sql in MODELS.items():
        (tmp_path / "models" / name).write_text(sql)
    return tmp_path


@pytest.fixture
def keys(made, store) -> dict[str, str]:
    """The login of dbt's own user, and what its models begin with in the bucket."""
    secret = made.secrets["airflow/dbt-s3"]
    keys = {
        "accessKey": secret["DBT_S3_ACCESS_KEY_ID"],
        "secretKey": secret["DBT_S3_SECRET_ACCESS_KEY"],
    }
    assert store.try_mc("pipe", "x/warehouse/raw/books.csv", given=RAW, login=keys).returncode == 0
    return keys


@pytest.fixture
def build(keys, project, made, moved, dbt_programs):
    """Run ``dbt build`` as a task of Airflow's runs it."""
    return lambda: _build(project, made, moved, dbt_programs)


def _build(project, made, moved, programs) -> subprocess.CompletedProcess[str]:
    given = {**made.config_maps["airflow/dbt-settings"], **made.secrets["airflow/dbt-s3"]}
    for there, here in moved.items():
        given = {name: value.replace(there, here) for name, value in given.items()}
    own = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(project),
        "DBT_DUCKDB_EXTENSIONS": str(project / "extensions"),
    }
    laid = [programs / "python", IMAGE / "extensions.py", own["DBT_DUCKDB_EXTENSIONS"]]
    subprocess.run(laid, check=True)
    return subprocess.run(
        ["dbt", "build", "--profiles-dir", IMAGE],
        cwd=project,
        env={**given, **own, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_models_are_read_from_and_written_to_the_warehouse(
    build, store, keys, project, dbt_programs
):
    done = build()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS=2" in done.stdout
    listed = store.try_mc("ls", "--recursive", "x/warehouse/", login=keys).stdout
    assert "models/long.parquet" in listed
    assert "models/summary.parquet" in listed
    copy = project / "summary.parquet"
    store.try_mc("cp", "x/warehouse/models/summary.parquet", str(copy), login=keys)
    read = "import duckdb, sys; print(duckdb.read_parquet(sys.argv[1]).fetchall())"
    shown = subprocess.run(
        [dbt_programs / "python", "-c", read, copy], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[(2, 1034)]"


def test_a_model_of_another_bucket_is_refused(build, project):
    (project / "models" / "stray.sql").write_text(STRAY)
    done = build()
    assert done.returncode != 0
    assert "403" in done.stdout, done.stdout


def test_no_secret_stands_in_what_dbt_leaves(build, keys, project):
    said = build()
    left = [said.stdout, said.stderr]
    left += [path.read_text(errors="replace") for path in project.rglob("*") if path.is_file()]
    assert not [text for text in left if keys["secretKey"] in text]
