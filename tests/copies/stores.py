"""The store that the chart sets up and the second target, both real, and the chart's Jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.programs.jobs import Jobs
from tests.programs.object_store import Store, secret_key

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
IMAGE = f"registry.invalid/image:1@sha256:{'0' * 64}"
TARGET_POLICY = json.loads(
    (ROOT / "docs/backup.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
)
"""What the second target's login needs, as the documentation says it."""


def login(access_key: str) -> dict[str, str]:
    return {"accessKey": access_key, "secretKey": secret_key()}


@dataclass
class Chart(Jobs):
    """The Jobs of a chart that has a second target."""

    target: Store = field(kw_only=True)

    def copies(self, *arguments: str, job: str = "minio-backup", **variables: str) -> str:
        """Run the Job of a CronJob with other arguments."""
        container = self.job("CronJob", job)
        return self.run({**container, "args": list(arguments)}, **variables)

    def try_copies(self, *arguments: str, job: str = "minio-backup", **variables: str) -> int:
        container = {**self.job("CronJob", job), "args": list(arguments)}
        return self.start(container, variables).returncode


def chart(folder: Path, store: Store, target: Store) -> Chart:
    """A chart with two consumers, and backups to ``target``."""
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
    return Chart(folder, store, known, values, target=target)


def _user(name: str, buckets: list[str]) -> dict[str, Any]:
    return {"name": name, "existingSecret": f"minio-user-{name}", "buckets": buckets}


def admit(target: Store, keys: Mapping[str, str], folder: Path) -> None:
    """Give the second target its bucket, and a login that may do what the documentation says."""
    target.mc("mb", "x/copies")
    policy = folder / "target.json"
    policy.write_text(json.dumps(TARGET_POLICY), encoding="utf-8")
    target.mc("admin", "policy", "create", "x", "copies", str(policy))
    target.mc("admin", "user", "add", "x", given=f"{keys['accessKey']}\n{keys['secretKey']}\n")
    target.mc("admin", "policy", "attach", "x", "copies", "--user", keys["accessKey"])
