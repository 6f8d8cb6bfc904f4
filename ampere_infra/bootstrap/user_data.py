"""A node's cloud-init user-data: no secret in it, the same text for the same settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap.node_files import File, files
from ampere_infra.bootstrap.packages import mirrors
from ampere_infra.bootstrap.units import ENABLED, STATE
from ampere_infra.settings.cluster import Packages, Timeouts
from ampere_infra.templates import parse, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ampere_infra.bootstrap.spec import ClusterSpec, NodeSpec

REPEATED: Final = ("write_files", "users_groups", "apt_configure", "runcmd", "scripts_user")
"""cloud-init modules that run once per machine, also when a power cut ended them half-way."""
SEMAPHORES: Final = "/var/lib/cloud/instance/sem"
NETWORK: Final = "/var/lib/cloud/instance/network-config.json"
"""What cloud-init remembers of the network that a machine was given."""
INSTANCE_ID: Final = "/var/lib/cloud/data/instance-id"
"""By it cloud-init knows a machine that it has seen before."""
NETPLAN: Final = "/etc/netplan/50-cloud-init.yaml"
"""Where cloud-init writes the network that a machine is given, on Debian and Ubuntu."""


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
        ValueError: a worker without ``ca_hash``, or a text that does not read back as it was meant.
    """
    alike = without_birth(cluster)
    neutral = _render(alike, node, authorized_key, files(alike, node, ca_hash, {}))
    identity = hashlib.sha256(neutral.encode()).hexdigest()[:12]
    birth = birth_facts(cluster) | {"user_data": identity}
    written = files(cluster, node, ca_hash, birth)
    text = _render(cluster, node, authorized_key, written)
    _check(node, text, written)
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
        # It is joined and left on the running node.
        tailnet=None,
    )


def _render(
    cluster: ClusterSpec, node: NodeSpec, authorized_key: str, written: Sequence[File]
) -> str:
    primary, security = mirrors(cluster)
    return render(
        "bootstrap/user-data.yaml.j2",
        cluster=cluster,
        node=node,
        authorized_key=authorized_key.strip(),
        mirror=primary,
        security_mirror=security,
        files=written,
        state=STATE,
        repeated=REPEATED,
        semaphores=SEMAPHORES,
        instance_id=INSTANCE_ID,
        network=NETWORK,
        netplan=NETPLAN,
        enabled=ENABLED,
    )


def _check(node: NodeSpec, text: str, written: Sequence[File]) -> None:
    """Make sure that cloud-init will write each file as it was meant, to the last space."""
    read: list[dict[str, str]] = parse(text)[0]["write_files"]
    if [File(f["path"], f["content"], f["permissions"]) for f in read] != list(written):
        raise ValueError(f"{node.name}: the user-data does not read back as what was meant")
