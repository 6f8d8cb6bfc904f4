"""The home stack as it is on the proving ground: one master, one worker, all from mirrors."""

from typing import Any

from tests.ground.host import ADDRESS, NAME, USER
from tests.ground.stack import CLUSTER, Served, bootstrap, of_project

MASTER, WORKER = "ground-master", "ground-worker1"
ADDRESSES = {MASTER: "10.10.10.10", WORKER: "10.10.10.11"}
GATEWAY = "10.10.10.1"
MIRROR = f"http://{GATEWAY}"
POOL = "/var/lib/libvirt/ground"


def settings(image_sha256: str, kubernetes_key: str, containerd_key: str) -> dict[str, Any]:
    """Return the stack's settings: those of the project, on small machines of Debian."""
    config = of_project("home")
    config["ampere:cluster"] |= {"name": CLUSTER}
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
    config["ampere:services"]["airflow"]["executor"] = "KubernetesExecutor"
    config["ampere:services"]["dbt"] = {"memory": "256MiB"}
    config["ampere:bootstrap"] = bootstrap(Served(MIRROR, kubernetes_key, containerd_key))
    return config
