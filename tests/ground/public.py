"""The api stack as it is on the proving ground: one server, all from mirrors."""

from __future__ import annotations

from typing import Any

from ampere_infra.rehearsal.places.hetzner import ADDRESSES as GIVEN
from tests.ground.datacenter import INTERNET
from tests.ground.rootfs import NETWORK
from tests.ground.stack import CLUSTER, Served, bootstrap, of_project

SERVER = "ground-server"
ADDRESSES = {SERVER: GIVEN[0]}
"""Hetzner gives it; nobody else has asked for one."""
MIRROR_PORT = 8080
"""On the address that metadata are asked for, port 80 is Hetzner's."""
MIRROR = f"http://{INTERNET}:{MIRROR_PORT}"


def settings(kubernetes_key: str, containerd_key: str) -> dict[str, Any]:
    """Return the stack's settings: those of the project, on a server of Debian."""
    config = of_project("api")
    config["ampere:cluster"] |= {"name": CLUSTER, "pod_network": NETWORK}
    config["ampere:server"] |= {"name": SERVER, "distribution": "debian-13", "protect": False}
    config["ampere:access"] = {"admins": [INTERNET]}
    config["ampere:bootstrap"] = bootstrap(Served(MIRROR, kubernetes_key, containerd_key))
    return config
