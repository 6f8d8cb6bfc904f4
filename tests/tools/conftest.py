"""What the tests with real tools share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from kvm_host import KvmHostDouble
from secrets_project import Project
from sops_cases import rule

from ampere_infra import tools
from ampere_infra.secrets import sops
from ampere_infra.secrets.model import MODELS, generate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> KvmHostDouble:
    return KvmHostDouble(tmp_path)


@pytest.fixture(scope="session")
def sops_programs(tool: Callable[[str], Path]) -> dict[str, Path]:
    """Find them before the home folder, where the cache is, is hidden."""
    return {name: tool(name) for name in ("sops", "age-keygen")}


@pytest.fixture
def sops_alone(
    sops_programs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hide the user's own keys and logins from sops."""
    for name in [name for name in os.environ if name.startswith(("SOPS_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(tools, "path", lambda name, report=None: sops_programs[name])


@pytest.fixture
def values() -> dict[str, str]:
    """What the file of ``home`` holds."""
    return generate("home")


@pytest.fixture
def sealed(
    sops_alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> Path:
    """A file of ``values``, and the age key that opens it."""
    path = tmp_path / "home.enc.yaml"
    rule(path, [sops.make_age_key(tmp_path / "key.txt")])
    sops.encrypt(values, path)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key.txt"))
    return path


@pytest.fixture
def project(
    sops_alone: None,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """An empty folder, and neither a terminal nor secrets in the environment."""
    for name in (name for model in MODELS.values() for name in model.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("sys.stdin", None)
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", capfd)


@pytest.fixture
def made(project: Project) -> Project:
    """A folder with the secrets of home."""
    project.run("init", "home")
    return project
