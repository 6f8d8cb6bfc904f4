"""A real MinIO, run and provisioned as our chart does it."""

from __future__ import annotations

import json
import secrets
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampere_infra import tools
from tests.ports import LOOPBACK, free_port
from tests.programs.jobs import Jobs
from tests.programs.made import Made, of_kind
from tests.programs.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path


_ARGUMENTS = ("server", "/data", "--address", ":9000", "--console-address", ":9001")


def secret_key() -> str:
    return secrets.token_hex(16)


@dataclass
class Store:
    """One MinIO server; ``arguments`` have the paths and ports of the chart's pod."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str = "administrator"
    password: str = field(default_factory=secret_key, repr=False)
    arguments: Sequence[str] = _ARGUMENTS
    port: int = 0

    @property
    def address(self) -> str:
        """Where it answers, without the scheme."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @contextmanager
    def running(self) -> Generator[Store]:
        self.port = free_port()
        self.folder.mkdir()
        here = {"/data": str(self.folder / "data"), "/tmp/certs": str(self.folder / "certs")}
        here |= {":9000": self.address, ":9001": f"{LOOPBACK}:{free_port()}"}
        command = [tools.path("minio"), *(here.get(word, word) for word in self.arguments)]
        login = {"MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password}
        environment = {"HOME": str(self.folder), **login, **self.environment}
        server = Server("minio", command, self.folder / "log", environment)
        with server.running(lambda: self.status("/minio/health/ready") == 200):
            yield self

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

    def mc(self, *words: str, given: str = "", login: Mapping[str, str] | None = None) -> str:
        """Run the client as the administrator or as who has ``login``; the store is ``x``."""
        done = self.try_mc(*words, given=given, login=login)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_mc(
        self, *words: str, given: str = "", login: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        keys = login or {"accessKey": self.user, "secretKey": self.password}
        host = f"http://{keys['accessKey']}:{keys['secretKey']}@{self.address}"
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


@contextmanager
def object_store(folder: Path, made: Made) -> Generator[Store]:
    """Run MinIO as the chart's pod does, with the buckets and users of ``made``."""
    (stateful_set,) = of_kind(made.objects("minio"), "StatefulSet")
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    root = made.secrets["minio/minio-root"]
    store = Store(
        folder / "store",
        made.variables(container, "minio"),
        root["rootUser"],
        root["rootPassword"],
        container["args"],
    )
    jobs = Jobs(folder / "jobs", store, made.secrets_of("minio"), made.releases["minio"])
    with store.running():
        for _ in range(2):  # the second time nothing is new, and nothing fails
            jobs.provision()
        yield store
