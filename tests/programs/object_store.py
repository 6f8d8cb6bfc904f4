"""A real MinIO, run and provisioned as our chart does it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra import tools
from tests.ports import free_port
from tests.programs.made import Made, of_kind
from tests.programs.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@dataclass(frozen=True)
class ObjectStore:
    """A server that runs."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Where it answers, without the scheme."""
        return f"127.0.0.1:{self.port}"

    def ask(
        self, access_key: str, secret_key: str, *arguments: str, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run MinIO's client as one user: the store is called ``store``."""
        return subprocess.run(
            [tools.path("mc"), *arguments],
            input=given,
            env={
                "HOME": str(self.folder),
                "MC_CONFIG_DIR": str(self.folder / "mc"),
                "MC_HOST_store": f"http://{access_key}:{secret_key}@{self.address}",
            },
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def object_store(folder: Path, made: Made) -> Generator[ObjectStore]:
    """Run MinIO with the buckets and users of ``made``."""
    objects = made.objects("minio")
    store = ObjectStore(folder, free_port())
    (stateful_set,) = of_kind(objects, "StatefulSet")
    container = stateful_set["spec"]["template"]["spec"]["containers"][0]
    here = {"/data": str(folder / "data"), "/tmp/certs": str(folder / "certs")}
    here |= {":9000": store.address, ":9001": f"127.0.0.1:{free_port()}"}
    words: list[str] = container["args"]
    command = [tools.path("minio"), *(here.get(word, word) for word in words)]
    variables = made.variables(container, "minio") | {"HOME": str(folder)}
    with Server("minio", command, folder / "log", variables).running(lambda: _healthy(store)):
        _provision(store, made)
        yield store


def _healthy(store: ObjectStore) -> bool:
    try:
        with urllib.request.urlopen(f"http://{store.address}/minio/health/ready") as answer:
            return answer.status == 200
    except OSError:
        return False


def _provision(store: ObjectStore, made: Made) -> None:
    """Run the chart's own Job, here."""
    objects = made.objects("minio")
    job = next(j for j in of_kind(objects, "Job") if "provision" in j["metadata"]["name"])
    (container,) = job["spec"]["template"]["spec"]["containers"]
    policies = store.folder / "policies"
    policies.mkdir()
    for config_map in of_kind(objects, "ConfigMap"):
        for name, text in config_map["data"].items():
            (policies / name).write_text(text)
            json.loads(text)
    variables = made.variables(container, "minio")
    variables = {k: v.replace("@minio:9000", f"@{store.address}") for k, v in variables.items()}
    programs = f"{tools.path('mc').parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):  # the second time nothing is new, and nothing fails
        done = subprocess.run(
            [word.replace("/policies/", f"{policies}/") for word in container["command"]],
            env={**variables, "PATH": programs, "MC_CONFIG_DIR": str(store.folder / "provision")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
