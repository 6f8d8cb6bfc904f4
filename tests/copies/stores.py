"""The store that the chart sets up and the second target, both real, and the chart's Jobs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ampere_infra import tools
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
IMAGE = f"registry.invalid/image:1@sha256:{'0' * 64}"
PATIENCE = 240.0
TARGET_POLICY = json.loads(
    (ROOT / "docs/backup.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
)
"""What the second target's login needs, as the documentation says it."""


def secret_key() -> str:
    return secrets.token_hex(16)


def login(access_key: str) -> dict[str, str]:
    return {"accessKey": access_key, "secretKey": secret_key()}


@dataclass
class Store:
    """One MinIO server."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    user: str = "administrator"
    password: str = field(default_factory=secret_key, repr=False)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Generator[Store]:
        self.port = free_port()
        self.folder.mkdir()
        words = ["server", str(self.folder / "data"), "--address", f"127.0.0.1:{self.port}"]
        login = {"MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password}
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [tools.path("minio"), *words, "--console-address", f"127.0.0.1:{free_port()}"],
                env={"HOME": str(self.folder), **login, **self.environment},
                stdout=log,
                stderr=log,
            )
        try:
            self._await(process)
            yield self
        finally:
            process.terminate()
            process.wait()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.status("/minio/health/ready") != 200:
            assert process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "MinIO does not answer"
            time.sleep(0.2)

    def status(self, path: str, token: str = "") -> int:
        """The status of the answer to a request of a person without S3's signature."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, headers=headers)
            ) as a:
                return a.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def mc(self, *words: str, given: str = "", login: dict[str, str] | None = None) -> str:
        """Run the client as the administrator or as who has ``login``; the store is ``x``."""
        done = self.try_mc(*words, given=given, login=login)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_mc(
        self, *words: str, given: str = "", login: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        keys = login or {"accessKey": self.user, "secretKey": self.password}
        host = f"http://{keys['accessKey']}:{keys['secretKey']}@127.0.0.1:{self.port}"
        environment = {"HOME": str(self.folder), "MC_HOST_x": host}
        return subprocess.run(
            [tools.path("mc"), *words],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def put(self, objects: dict[str, str]) -> None:
        for name, text in objects.items():
            self.mc("pipe", "--quiet", f"x/{name}", given=text)

    def objects(self, bucket: str) -> dict[str, str]:
        """The content of each object in a bucket."""
        lines = self.mc("ls", "--recursive", "--json", f"x/{bucket}").splitlines()
        names = [json.loads(line)["key"] for line in lines]
        return {name: self.mc("cat", f"x/{bucket}/{name}") for name in names}

    def users(self) -> dict[str, str]:
        """The policy of each user."""
        lines = map(json.loads, self.mc("admin", "user", "list", "x", "--json").splitlines())
        return {line["accessKey"]: line.get("policyName", "") for line in lines}

    def policies(self) -> set[str]:
        lines = self.mc("admin", "policy", "list", "x", "--json").splitlines()
        return {json.loads(line)["policy"] for line in lines}


@dataclass
class Chart:
    """The MinIO chart's Jobs with some values, run here instead of in pods."""

    folder: Path
    store: Store
    target: Store
    secrets: dict[str, dict[str, str]]
    values: dict[str, Any]
    shell: str = "dash"
    said: list[str] = field(default_factory=list[str])
    """All that Jobs ever printed."""

    def provision(self) -> str:
        return self._run(self._job("Job", "minio-provision"))

    def copies(self, *arguments: str, job: str = "minio-backup", **variables: str) -> str:
        """Run the Job of a CronJob with other arguments."""
        container = self._job("CronJob", job)
        return self._run({**container, "args": list(arguments)}, **variables)

    def try_copies(self, *arguments: str, job: str = "minio-backup", **variables: str) -> int:
        container = {**self._job("CronJob", job), "args": list(arguments)}
        return self._start(container, variables).returncode

    def _run(self, container: dict[str, Any], **variables: str) -> str:
        done = self._start(container, variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start(
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
        found: dict[str, str] = {}
        for variable in container["env"]:
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                value = self.secrets[reference["name"]][reference["key"]]
            else:
                value = variable["value"]
                for name, text in found.items():
                    value = value.replace(f"$({name})", text)
            found[variable["name"]] = value.replace("@minio:9000", f"@127.0.0.1:{self.store.port}")
        return {**found, "MC_CONFIG_DIR": str(self.folder / "mc")}

    def _job(self, kind: str, name: str) -> dict[str, Any]:
        """Return the container of a Job, with its files where they are looked for."""
        found: dict[str, Any] = {}
        for item in self._objects():
            if item["kind"] == "ConfigMap":
                for file, text in item["data"].items():
                    (self.folder / file).write_text(text, encoding="utf-8")
            if item["kind"] == kind and item["metadata"]["name"].startswith(name):
                spec = item["spec"].get("jobTemplate", item)["spec"]
                (found,) = spec["template"]["spec"]["containers"]
        return found

    def _objects(self) -> list[dict[str, Any]]:
        words = ["template", "minio", "charts/minio", "--namespace", "minio", "--values", "-"]
        text = subprocess.run(
            [tools.path("helm"), *words],
            input=json.dumps(self.values),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [item for item in yaml.safe_load_all(text) if item]


def chart(folder: Path, store: Store, target: Store) -> Chart:
    """A chart with two consumers, and backups to ``target``."""
    folder.mkdir()
    users = {"airflow": ["airflow-logs"], "dbt": ["warehouse"]}
    known = {f"minio-user-{name}": login(f"access{name}") for name in [*users, "backup"]}
    known["minio-root"] = {"rootUser": store.user, "rootPassword": store.password}
    known["minio-backup"] = login("copier")
    every = ["airflow-logs", "warehouse"]
    values = {
        "image": IMAGE,
        "clientImage": IMAGE,
        "existingSecret": "minio-root",
        "buckets": every,
        "users": [
            *(_user(name, buckets) for name, buckets in users.items()),
            {**_user("backup", every), "readOnly": True},
        ],
        "backup": {
            "endpointUrl": target.url,
            "bucket": "copies",
            "prefix": "home",
            "existingSecret": "minio-backup",
            "user": "backup",
        },
    }
    return Chart(folder, store, target, known, values)


def _user(name: str, buckets: list[str]) -> dict[str, Any]:
    return {"name": name, "existingSecret": f"minio-user-{name}", "buckets": buckets}


def admit(target: Store, keys: dict[str, str], folder: Path) -> None:
    """Give the second target its bucket, and a login that may do what the documentation says."""
    target.mc("mb", "x/copies")
    policy = folder / "target.json"
    policy.write_text(json.dumps(TARGET_POLICY), encoding="utf-8")
    target.mc("admin", "policy", "create", "x", "copies", str(policy))
    target.mc("admin", "user", "add", "x", given=f"{keys['accessKey']}\n{keys['secretKey']}\n")
    target.mc("admin", "policy", "attach", "x", "copies", "--user", keys["accessKey"])
