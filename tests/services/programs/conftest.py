"""Real programs with what the stack makes: PostgreSQL, MinIO, Airflow, dbt."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.stage import staged
from tests.engine.drill import HOME, fast_folder
from tests.programs.made import Made, made_by
from tests.programs.object_store import Store, object_store
from tests.programs.postgresql import PostgreSQL, postgresql
from tests.programs.venv import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


@pytest.fixture(scope="session")
def made() -> Made:
    """What the real program makes of the project's own settings, with secrets of this run."""
    folder = fast_folder()
    try:
        with staged(Project("home", HOME, folder / "out")) as stage:
            up = stage.engine.up()
            assert up.ok, f"the stack has to come up\n{up.output}"
            return made_by(stage.engine.export(show_secrets=True))
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def database(made: Made) -> Generator[PostgreSQL]:
    """PostgreSQL with the roles and databases of the chart."""
    folder = fast_folder()
    try:
        with postgresql(folder, made) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def store(made: Made) -> Generator[Store]:
    """MinIO with the buckets and users of the chart."""
    folder = fast_folder()
    try:
        with object_store(folder, made) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def moved(database: PostgreSQL, store: Store) -> dict[str, str]:
    """Where the addresses of the cluster are on this machine."""
    return {
        "postgresql-rw.postgresql.svc.cluster.local:5432": f"127.0.0.1:{database.port}",
        "minio.minio.svc.cluster.local:9000": store.address,
    }


@pytest.fixture(scope="session")
def airflow_programs(say: Callable[[str], None]) -> Path:
    """Airflow and what its image has for us, from PyPI."""
    return environment(SOURCE / "tests" / "programs" / "airflow" / "requirements.txt", say)


@pytest.fixture(scope="session")
def dbt_programs(say: Callable[[str], None]) -> Path:
    """What dbt's image has, from PyPI."""
    return environment(SOURCE / "images" / "dbt" / "requirements.txt", say)
