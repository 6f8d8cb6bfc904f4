"""A DAG that uses what Airflow is given: its connections, and nothing that is not its own."""

from __future__ import annotations

from pathlib import Path

import duckdb as engine
import duckdb_extension_httpfs
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import BaseHook, dag, task
from botocore.exceptions import ClientError

(HTTPFS,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
TABLE = "s3://warehouse/rounds/pages.parquet"


def literal(value: object) -> str:
    """Return a value as SQL has it."""
    return str(value) if isinstance(value, bool) else "'{}'".format(str(value).replace("'", "''"))


@dag(schedule=None)
def rounds() -> None:
    """Ask the platform's database and the object store."""

    @task
    def database() -> str:
        sql = "select current_database(), ssl from pg_stat_ssl where pid = pg_backend_pid()"
        found = PostgresHook("platform").get_first(sql)
        print(f"the task is in {found[0]}, TLS {found[1]}")
        return found[0]

    @task
    def bucket(database: str) -> None:
        store = S3Hook("minio")
        store.load_string(database, "results/database.txt", "airflow-logs", replace=True)
        print(f"the bucket holds {store.read_key('results/database.txt', 'airflow-logs')}")
        try:
            store.load_string(database, "database.txt", "warehouse", replace=True)
        except ClientError as refusal:
            print(f"the other bucket: {refusal.response['Error']['Code']}")

    @task
    def duckdb() -> None:
        given = BaseHook.get_connection("duckdb")
        options = ", ".join(f"{key} {literal(value)}" for key, value in given.extra_dejson.items())
        with engine.connect(given.host) as opened:
            opened.load_extension(str(HTTPFS))
            opened.execute(f"create secret ({options})")
            opened.execute(f"copy (from range(3) pages(number)) to '{TABLE}'")
            (found,) = opened.execute(f"select sum(number) from '{TABLE}'").fetchall()
            print(f"the warehouse holds {found[0]}")
            try:
                opened.execute("from read_text('s3://airflow-logs/results/database.txt')")
            except engine.HTTPException as refusal:
                print(f"the logs' bucket: {refusal.status_code}")

    bucket(database()) >> duckdb()


rounds()
