"""The home stack as it is on the proving ground: one master, one worker, all from mirrors."""

from pathlib import Path
from typing import Any

import yaml

from tests.ground.host import ADDRESS, NAME, USER

PROJECT = Path(__file__).resolve().parents[2]
MASTER, WORKER = "ground-master", "ground-worker1"
ADDRESSES = {MASTER: "10.10.10.10", WORKER: "10.10.10.11"}
GATEWAY = "10.10.10.1"
POOL = "/var/lib/libvirt/ground"
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


def settings(image_sha256: str, kubernetes_key: str, containerd_key: str) -> dict[str, Any]:
    """Return the stack's settings: those of the project, on small machines of Debian."""
    text = (PROJECT / "Pulumi.home.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config["ampere:cluster"] |= {"name": "ground"}
    config["ampere:host"] = {
        "name": NAME,
        "user": USER,
        "address": ADDRESS,
        "apply_nginx": False,
    }
    config["ampere:network"] |= {"nameservers": [GATEWAY]}
    config["ampere:storage"] = {"pool_path": POOL, "protect_data": False}
    config["ampere:image"] = {
        "distribution": "debian-13",
        "url": f"https://{NAME}/base.qcow2",
        "sha256": image_sha256,
    }
    config["ampere:control_plane"] |= {
        "name": MASTER,
        "address": ADDRESSES[MASTER],
        "vcpu": 2,
        "memory": "3GiB",
        "root_disk": "12GiB",
        "data_disk": "4GiB",
        "protect": False,
    }
    worker = {"name": WORKER, "address": ADDRESSES[WORKER], "vcpu": 1, "memory": "2GiB"}
    disks = {"root_disk": "12GiB", "data_disk": "80GiB"}
    config["ampere:workers"] = {"machines": [worker | disks]}
    config["ampere:services"]["postgresql"] = {"instances": 1}
    config["ampere:services"]["dbt"] = {"memory": "256MiB"}
    config["ampere:bootstrap"] = {
        "timeouts": PATIENCE,
        "api_stable_probes": 3,
        "packages": {
            "apt_mirror": f"http://{GATEWAY}/debian",
            "kubernetes_repository": f"http://{GATEWAY}/kubernetes/",
            "kubernetes_key": kubernetes_key,
            "containerd_repository": f"http://{GATEWAY}/containerd/",
            "containerd_key": containerd_key,
        },
    }
    return config
