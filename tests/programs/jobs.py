"""The Jobs of our MinIO chart, run here against a server that is here."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ampere_infra import tools
from tests.programs.made import rendered, variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.programs.object_store import Store


@dataclass
class Jobs:
    """The MinIO chart's Jobs with some values, run here instead of in pods."""

    folder: Path
    """Where their files are; it is made."""
    store: Store
    secrets: Mapping[str, Mapping[str, str]]
    values: Mapping[str, Any]
    shell: str = "dash"
    said: list[str] = field(default_factory=list[str])
    """All that Jobs ever printed."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)

    def provision(self) -> str:
        return self.run(self.job("Job", "minio-provision"))

    def run(self, container: dict[str, Any], **variables: str) -> str:
        done = self.start(container, variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(
        self, container: dict[str, Any], variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        words = [*container["command"], *container.get("args", [])]
        words = [
            word.replace("/policies/", f"{self.folder}/").replace("/scripts/", f"{self.folder}/")
            for word in words
        ]
        path = f"{tools.path('mc').parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [self.shell, *words[1:]],
            env={"PATH": path, **self._environment(container), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        return done

    def _environment(self, container: dict[str, Any]) -> dict[str, str]:
        there, here = "@minio:9000", f"@{self.store.address}"
        found = variables(container, self.secrets)
        moved = {name: value.replace(there, here) for name, value in found.items()}
        return {**moved, "MC_CONFIG_DIR": str(self.folder / "mc")}

    def job(self, kind: str, name: str) -> dict[str, Any]:
        """Return the container of a Job, with its files where they are looked for."""
        found: dict[str, Any] = {}
        for item in rendered("minio", self.values):
            if item["kind"] == "ConfigMap":
                for file, text in item["data"].items():
                    (self.folder / file).write_text(text, encoding="utf-8")
            if item["kind"] == kind and item["metadata"]["name"].startswith(name):
                spec = item["spec"].get("jobTemplate", item)["spec"]
                (found,) = spec["template"]["spec"]["containers"]
        return found
