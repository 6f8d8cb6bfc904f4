"""A node's cloud-init user-data: no secret in it, the same text for the same settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import yaml

from ampere_infra.bootstrap.node_files import files
from ampere_infra.bootstrap.packages import mirrors
from ampere_infra.bootstrap.units import STATE
from ampere_infra.settings.home import Packages, Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.bootstrap.spec import ClusterSpec, NodeSpec

REPEATED: Final = ("write_files", "users_groups", "apt_configure", "runcmd", "scripts_user")
"""cloud-init modules that run once per machine, also when a power cut ended them half-way."""
SEMAPHORES: Final = "/var/lib/cloud/instance/sem"


@dataclass(frozen=True)
class UserData:
    """What a machine is born with."""

    text: str
    identity: str
    """12 hex digits that change when, and only when, a machine should be born again."""
    birth: Mapping[str, str]
    """What the node keeps in its ``birth.json``, to be compared with the settings of later."""


def user_data(
    cluster: ClusterSpec, node: NodeSpec, authorized_key: str, ca_hash: str | None
) -> UserData:
    """Return the user-data of ``node``.

    Args:
        cluster: the cluster it belongs to.
        node: the node.
        authorized_key: the public half of the program's SSH key, as OpenSSH writes it.
        ca_hash: the pin of the cluster's CA (``sha256:...``); the control plane needs none.

    Raises:
        ValueError: a worker without ``ca_hash``.
    """
    neutral = _cloud_config(without_birth(cluster), node, authorized_key, ca_hash, {})
    identity = hashlib.sha256(neutral.encode()).hexdigest()[:12]
    birth = birth_facts(cluster) | {"user_data": identity}
    text = _cloud_config(cluster, node, authorized_key, ca_hash, birth)
    return UserData(text, identity, birth)


def birth_facts(cluster: ClusterSpec) -> dict[str, str]:
    """Return the facts that matter at a node's birth only and that a person may wonder about."""
    packages = hashlib.sha256(cluster.packages.model_dump_json().encode()).hexdigest()[:12]
    return {
        "kubernetes": cluster.kubernetes,
        "containerd": cluster.containerd,
        "packages": packages,
    }


def without_birth(cluster: ClusterSpec) -> ClusterSpec:
    """Return ``cluster`` with everything alike that must never replace a machine."""
    return replace(
        cluster,
        kubernetes="0.0.0",
        containerd="0.0.0",
        packages=Packages(),
        timeouts=Timeouts(),
        api_stable_probes=1,
        token_ttl_minutes=0,
    )


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, so that a person can read them."""


def _text(_dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return yaml.ScalarNode("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _cloud_config(
    cluster: ClusterSpec,
    node: NodeSpec,
    authorized_key: str,
    ca_hash: str | None,
    birth: Mapping[str, str],
) -> str:
    config: dict[str, Any] = {
        **_machine(node),
        **_access(cluster.login, authorized_key),
        "apt": mirrors(cluster),
        "package_update": False,
        "package_upgrade": False,
        "write_files": [
            {"path": file.path, "permissions": file.mode, "content": file.text}
            for file in files(cluster, node, ca_hash, birth)
        ],
        # No shell here, and nothing is provisioned: cloud-init has no module that enables a unit.
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", "ampere.target"],
        ],
    }
    body = yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=2**16, allow_unicode=True)
    if yaml.safe_load(body) != config:
        raise ValueError(f"{node.name}: the user-data does not read back as what was meant")
    return f"#cloud-config\n{body}"


def _machine(node: NodeSpec) -> dict[str, Any]:
    """Return name and disk, and the way out of a power cut before ``OS_READY``.

    cloud-init marks a module as done when it begins, so one that was cut off would never be run
    again. Until the node is ready, each boot lets it run those again that repeat safely.
    """
    semaphores = " ".join(f"{SEMAPHORES}/config_{module}" for module in REPEATED)
    return {
        "hostname": node.name,
        "manage_etc_hosts": "localhost",
        "growpart": {"mode": "auto", "devices": ["/"]},
        "resize_rootfs": True,
        "bootcmd": [f"test -e {STATE}/OS_READY || rm -f {semaphores}"],
    }


def _access(login: str, authorized_key: str) -> dict[str, Any]:
    """Return the only account: one key, no password, no root."""
    user = {
        "name": login,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": True,
        "ssh_authorized_keys": [authorized_key.strip()],
    }
    return {"users": [user], "disable_root": True, "ssh_pwauth": False}
