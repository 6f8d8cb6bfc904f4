"""A ``home`` with a second S3 target: rehearsed whole, and what a restore changes in its plan."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from drill import HOME, fast_folder

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World
from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

BACKUP = {"endpoint": "https://s3.example.com", "bucket": "copies"}
RESTORED = {
    "generation": 2,
    "source": "postgresql",
    "to": "2026-11-20T10:00:00Z",
    "kept": ["postgresql"],
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(dict(read_stack_file(HOME)))
    found["ampere:services"]["backup"] = BACKUP
    return found


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    made = fast_folder()
    yield made
    shutil.rmtree(made)


def test_a_home_with_backups_passes_its_rehearsal(config, folder):
    file = folder / "Pulumi.home.yaml"
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    lines: list[str] = []
    assert rehearse("home", file, folder / "out", say=lines.append) == 0, "\n".join(lines)
    assert "0 changed on the second up" in lines[-1]
    assert lines[-1].endswith("0 secrets in clear"), "the second target's login is one of them"
    values = folder / "out/rendered/releases/minio/minio.yaml"
    assert "existingSecret: minio-backup" in values.read_text(encoding="utf-8")


def test_a_restore_makes_a_cluster_and_leads_airflow_there(config, folder):
    with staged(Project("home", HOME, folder / "restored"), World()) as stage:
        stage.project.write(config)
        assert stage.engine.up().ok
        stage.project.write({**config, "ampere:recovery": RESTORED})
        plan = stage.engine.preview()
        assert plan.ok, plan.output
        steps = [step for step in plan.events.changes if "Stack" not in step.type]
        releases = {s.name: s.op for s in steps if s.type == "kubernetes:helm.sh/v3:Release"}
        assert releases == {"postgresql": "update", "airflow": "update"}, "and no other release"
        secrets = {s.name: s.op for s in steps if s.type == "kubernetes:core/v1:Secret"}
        assert secrets == {"airflow-keys": "update", "airflow-connections": "update"}, (
            "Airflow's say where its database is, and where that of its tasks"
        )
        replaced = {s.type for s in steps if s.op not in ("update", "same")}
        assert replaced <= {"random:index/randomId:RandomId"}, "nothing that holds anything goes"
        assert stage.engine.up().ok
        assert stage.engine.preview().events.changes == (), "and then it is as it is described"
