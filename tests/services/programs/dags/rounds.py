"""A DAG that uses what Airflow is given: its connections, and nothing that is not its own."""

from __future__ import annotations

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import BaseHook, dag, task
from botocore.exceptions import ClientError


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
        extra = BaseHook.get_connection("duckdb").extra_dejson
        print(f"DuckDB finds {extra['type']} in {extra['region']}, path style {extra['url_style']}")

    bucket(database()) >> duckdb()


rounds()
