"""Airflow from PyPI, with the environment that the chart would give it of our values."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ampere_infra.services.airflow_values import LOGIN_FOLDER
from tests.ports import free_port
from tests.programs.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.programs.made import Made

KEYS = {
    "AIRFLOW__CORE__FERNET_KEY": ("fernetKeySecretName", "fernet-key"),
    "AIRFLOW__API__SECRET_KEY": ("apiSecretKeySecretName", "api-secret-key"),
    "AIRFLOW__API_AUTH__JWT_SECRET": ("jwtSecretName", "jwt-secret"),
}
"""The chart's ``standard_airflow_environment``: the variable, the value with the name of the
Secret, and the key in it."""


@dataclass(frozen=True)
class Airflow:
    """An Airflow whose database may or may not be there yet."""

    programs: Path
    folder: Path
    port: int
    environment: Mapping[str, str] = field(repr=False)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command with Airflow's environment."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )

    @contextmanager
    def serving(self) -> Generator[None]:
        """Run the API server, the scheduler and the DAG processor, as pods of their own do."""
        with ExitStack() as running:
            running.enter_context(self._server("api-server", "--port", str(self.port), self.health))
            for part in ("scheduler", "dag-processor"):
                running.enter_context(self._server(part, lambda: True))
            yield

    def _server(self, part: str, *words: Any) -> Any:
        *arguments, answers = words
        command = [self.programs / "airflow", part, *arguments]
        return Server(part, command, self.folder / f"{part}.log", self.environment).running(answers)

    def health(self) -> dict[str, Any]:
        """Return what the path of the chart's probes answers; nothing while nobody does."""
        try:
            return self.ask("/api/v2/monitor/health")[1]
        except OSError:
            return {}

    def ask(self, path: str, body: Any = None, token: str = "", method: str = "") -> Any:
        """Return the status and the content of an answer of the API server."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method or ("GET" if body is None else "POST"),
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def said(self) -> str:
        """Return the ends of the logs of what runs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-2500:]}" for log in logs
        )


def airflow(programs: Path, folder: Path, made: Made, moved: Mapping[str, str]) -> Airflow:
    """Return an Airflow of what ``made`` asks for; addresses of the cluster are ``moved``."""
    values = made.releases["airflow"]
    port = free_port()
    moved = {**moved, "airflow-api-server:8080": f"127.0.0.1:{port}"}
    environment = {**_configured(values), **_from_secrets(values, made)}
    for there, here in moved.items():
        environment = {name: value.replace(there, here) for name, value in environment.items()}
    own = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
    }
    return Airflow(programs, folder, port, {**environment, **own})


def create_user(server: Airflow, made: Made) -> subprocess.CompletedProcess[str]:
    """Run the script of the chart's Job for the first user, with the Secret where it mounts it."""
    job = made.releases["airflow"]["createUserJob"]
    (volume,) = job["extraVolumes"]
    login = server.folder / "login"
    login.mkdir(exist_ok=True)
    for name, value in made.secrets[f"airflow/{volume['secret']['secretName']}"].items():
        (login / name).write_text(value)
    words = [word.replace(LOGIN_FOLDER, str(login)) for word in job["args"]]
    return server.run(*job["command"], *words)


def _configured(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values' ``config`` as Airflow takes it from its environment."""
    found = {"AIRFLOW__CORE__EXECUTOR": str(values["executor"])}
    for section, entries in values["config"].items():
        for key, value in entries.items():
            found[f"AIRFLOW__{section.upper()}__{key.upper()}"] = str(value)
    return found


def _from_secrets(values: Mapping[str, Any], made: Made) -> dict[str, str]:
    connection = made.secrets[f"airflow/{values['data']['metadataSecretName']}"]["connection"]
    found = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": connection}
    for variable, (value, key) in KEYS.items():
        found[variable] = made.secrets[f"airflow/{values[value]}"][key]
    for source in yaml.safe_load(values["extraEnvFrom"]):
        if "secretRef" in source:
            found |= made.secrets[f"airflow/{source['secretRef']['name']}"]
        else:
            found |= made.config_maps[f"airflow/{source['configMapRef']['name']}"]
    return found
