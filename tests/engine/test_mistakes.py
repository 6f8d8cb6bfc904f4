"""Wrong input, seen by the real engine: every mistake as a line of text, and nothing planned."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from drill import HOME, fast_folder

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.services import postgresql_values
from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    """An empty stack."""
    folder = fast_folder()
    with staged(Project("home", HOME, folder / "out")) as found:
        yield found
    shutil.rmtree(folder)


def _broken() -> dict[str, Any]:
    config: dict[str, Any] = read_stack_file(HOME)
    config["ampere:control_plane"]["address"] = "10.10.99.10"
    config["ampere:cluster"]["pod_netwrok"] = "10.10.10.0/24"
    config["ampere:workers"]["machines"][0]["memory"] = "6GB"
    return config


@pytest.mark.parametrize("run", ["preview", "up"])
def test_the_engine_shows_every_mistake_as_text_and_plans_nothing(stage: Stage, run: str):
    stage.project.write(_broken())
    outcome = getattr(stage.engine, run)()
    assert not outcome.ok
    assert outcome.refused
    for path in ("control_plane.address", "cluster.pod_netwrok", "memory"):
        assert path in outcome.output, f"{path} has to be named"
    assert "Traceback" not in outcome.output
    assert 'File "' not in outcome.output
    assert {step.type for step in outcome.events.planned} <= {"pulumi:pulumi:Stack"}
    assert stage.world.operations == [], "no provider may be asked for anything"


def test_missing_secrets_are_told_as_text_and_nothing_is_planned(stage: Stage):
    stage.project.write(read_stack_file(HOME))
    sealed = stage.project.root / "secrets" / "home.enc.yaml"
    content = sealed.read_bytes()
    sealed.unlink()
    try:
        outcome = stage.engine.up()
    finally:
        sealed.write_bytes(content)
    assert outcome.refused
    assert "secrets/home.enc.yaml" in outcome.output
    assert "Traceback" not in outcome.output
    assert stage.world.operations == []


@pytest.mark.parametrize("run", ["preview", "up"])
def test_a_value_that_a_chart_refuses_is_told_before_anything_is_planned(
    stage: Stage, run: str, monkeypatch: pytest.MonkeyPatch
):
    right = postgresql_values.values
    monkeypatch.setattr(postgresql_values, "values", lambda *a: {**right(*a), "instances": 0})
    stage.project.write(read_stack_file(HOME))
    outcome = getattr(stage.engine, run)()
    assert outcome.refused
    assert "charts/postgresql: instances: 0: write a number from 1 to 9" in outcome.output
    assert "Traceback" not in outcome.output
    assert {step.type for step in outcome.events.planned} <= {"pulumi:pulumi:Stack"}
    assert stage.world.operations == [], "no provider may be asked for anything"


def test_a_rehearsal_of_a_broken_stack_file_ends_with_2_before_anything_runs(tmp_path: Path):
    file = tmp_path / "Pulumi.home.yaml"
    file.write_text(yaml.safe_dump({"config": _broken()}), encoding="utf-8")
    lines: list[str] = []
    assert rehearse("home", file, tmp_path / "out", say=lines.append) == 2
    said = "\n".join(lines)
    assert "control_plane.address" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists(), "nothing is written for wrong input"


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    lines: list[str] = []
    assert rehearse("home", HOME, tmp_path, say=lines.append) == 2
    assert "thesis.txt" not in "".join(lines)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "precious"


def test_a_secrets_file_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path):
    lines: list[str] = []
    missing = tmp_path / "home.enc.yaml"
    assert rehearse("home", HOME, tmp_path / "out", missing, say=lines.append) == 2
    assert "home.enc.yaml" in lines[-1]
    assert not (tmp_path / "out").exists()


def test_a_rehearsal_takes_the_secrets_that_it_is_given(stage: Stage, tmp_path: Path):
    theirs = stage.project.root / "secrets" / "home.enc.yaml"
    with Project("home", HOME, tmp_path / "out", theirs) as project:
        assert project.secrets == stage.project.secrets
        copied = project.root / "secrets" / "home.enc.yaml"
        assert copied.read_bytes() == theirs.read_bytes()
