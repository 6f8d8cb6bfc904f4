"""What the stacks have in common on the proving ground: the project's own settings, changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
CLUSTER = "ground"
NODE_KEY = f"{CLUSTER}-node-key"
"""The resource that is the key of the program's login on the machines."""
TIME_SERVERS = tuple(f"{number}.debian.pool.ntp.org" for number in range(4))
"""Whom systemd-timesyncd of Debian asks."""
PATIENCE = {
    "operating_system": 1800,
    "control_plane": 3600,
    "api_stable": 1800,
    "join": 3600,
    "release": 900,
}
"""Seconds: work inside an emulated machine takes 14 to 65 times as long."""


@dataclass(frozen=True)
class Served:
    """Where the machines find the mirror, and whom they have to trust for it."""

    address: str
    """``http://HOST[:PORT]``."""
    kubernetes_key: str
    containerd_key: str


def of_project(stack: str) -> dict[str, Any]:
    """Return the settings of the project's own file of ``stack``."""
    text = (PROJECT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]


def bootstrap(mirror: Served) -> dict[str, Any]:
    """Return how machines become a cluster: patiently, and all from ``mirror``."""
    return {
        "timeouts": PATIENCE,
        "api_stable_probes": 3,
        "packages": {
            "apt_mirror": f"{mirror.address}/debian",
            "kubernetes_repository": f"{mirror.address}/kubernetes/",
            "kubernetes_key": mirror.kubernetes_key,
            "containerd_repository": f"{mirror.address}/containerd/",
            "containerd_key": mirror.containerd_key,
        },
    }
