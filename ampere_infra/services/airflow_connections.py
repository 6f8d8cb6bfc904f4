"""What Airflow's tasks reach, as connections that Airflow finds in its environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pulumi

if TYPE_CHECKING:
    from collections.abc import Callable

    from ampere_infra.services.airflow import AirflowArgs
    from ampere_infra.services.minio import AccessKey, ObjectStore
    from ampere_infra.services.postgresql import Database


def database_url(database: Database, password: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the URL that a client of ``database`` logs in with, over TLS and never without."""

    def url(facts: list[str]) -> str:
        host, clear = facts
        login = f"{quote(database.user, safe='')}:{quote(clear, safe='')}"
        return f"postgresql://{login}@{host}:{database.port}/{database.name}?sslmode=require"

    return pulumi.Output.secret(pulumi.Output.all(database.host, password).apply(url))


def connections(args: AirflowArgs) -> dict[str, pulumi.Input[str]]:
    """Return the variables ``AIRFLOW_CONN_*``, each the connection of its name in small letters.

    ``minio`` and ``platform`` are for Airflow's own hooks. None knows DuckDB, so ``duckdb`` is
    for DAGs that open a database in memory themselves: its extra is what DuckDB's
    ``CREATE SECRET`` takes.
    """
    return {
        "AIRFLOW_CONN_MINIO": _minio(args.store, args.store.logins[args.consumer]),
        "AIRFLOW_CONN_PLATFORM": database_url(args.platform, args.platform_password),
        "AIRFLOW_CONN_DUCKDB": _duckdb(
            args.store, args.store.logins[args.transformations.consumer]
        ),
    }


def _minio(store: ObjectStore, login: AccessKey) -> pulumi.Output[str]:
    def connection(facts: list[str]) -> str:
        endpoint, access_key, secret_key = facts
        extra = {"endpoint_url": endpoint, "region_name": store.region}
        return json.dumps(
            {"conn_type": "aws", "login": access_key, "password": secret_key, "extra": extra}
        )

    return _secret(connection, store.endpoint, login.access_key, login.secret_key)


def _duckdb(store: ObjectStore, login: AccessKey) -> pulumi.Output[str]:
    def connection(facts: list[str]) -> str:
        endpoint, access_key, secret_key = facts
        scheme, _, address = endpoint.partition("://")
        extra = {
            "type": "s3",
            "endpoint": address,
            "region": store.region,
            "url_style": "path",
            "use_ssl": scheme == "https",
            "key_id": access_key,
            "secret": secret_key,
        }
        return json.dumps({"conn_type": "duckdb", "host": ":memory:", "extra": extra})

    return _secret(connection, store.endpoint, login.access_key, login.secret_key)


def _secret(made: Callable[[list[str]], str], *facts: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.secret(pulumi.Output.all(*facts).apply(made))
