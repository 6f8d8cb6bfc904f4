"""The files that cloud-init writes to a node: the node program, its facts, and configurations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap import api_server, kubeadm, packages
from ampere_infra.bootstrap.spec import API_PORT, DATA_MOUNT, JOIN_PORT, Role
from ampere_infra.bootstrap.units import PROGRAM, TAILNET_PROGRAM, unit_files
from ampere_infra.settings.cluster import PROBE_PAUSE
from ampere_infra.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ampere_infra.bootstrap.spec import ClusterSpec, NodeSpec

LIBRARY: Final = "/usr/local/lib/ampere"
PROGRAM_SOURCE: Final = Path(__file__).parent / "node"
BIRTH: Final = "/etc/ampere/birth.json"

MODULES: Final = ("overlay", "br_netfilter", "vxlan", "cls_bpf", "sch_ingress")
"""Kernel modules that containerd, kubeadm's checks and Cilium's data path cannot do without."""
OPTIONAL_MODULES: Final = ("ip_tables", "iptable_nat", "xt_TPROXY", "xt_mark", "xt_socket", "xt_CT")
"""Those Cilium uses for policies of layer 7; some kernels have them built in or not at all."""
SYSCTLS: Final = {
    "net.ipv4.ip_forward": 1,
    "net.bridge.bridge-nf-call-iptables": 1,
    # Cilium's interfaces get what the strict filter takes for spoofed.
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    # What the kubelet asks for: with protectKernelDefaults it looks, and changes nothing.
    # https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1_000_000,
    "kernel.keys.root_maxbytes": 25_000_000,
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
}
PAUSE_IMAGE: Final = "3.10.2"
"""Of kubeadm 1.36 (its constant ``PauseVersion``), so that one image is pulled, not two."""

MODULES_OF_ROLE: Final = {
    Role.CONTROL_PLANE: (
        "control_plane",
        "api",
        "cluster",
        "dismissal",
        "encryption",
        "members",
        "pki",
    ),
    Role.WORKER: ("receive", "worker"),
}
"""The parts of the node program that only one role needs."""
TAILNET_MODULE: Final = "tailnet"
"""The part that only a node needs which may join a tailnet; a program of its own."""


@dataclass(frozen=True)
class File:
    """One file on the node, owned by root."""

    path: str
    text: str
    mode: str = "0644"


def files(
    cluster: ClusterSpec, node: NodeSpec, ca_hash: str | None, birth: Mapping[str, str]
) -> list[File]:
    """Return every file of ``node``, in a fixed order."""
    plain = {
        "/etc/modules-load.d/ampere.conf": "".join(f"{name}\n" for name in MODULES),
        "/etc/sysctl.d/90-ampere.conf": "".join(f"{k} = {v}\n" for k, v in SYSCTLS.items()),
        "/etc/ssh/sshd_config.d/10-ampere.conf": render("bootstrap/sshd.conf.j2", cluster=cluster),
        "/etc/ampere/node.json": json.dumps(facts(cluster, node), indent=2) + "\n",
        BIRTH: json.dumps(dict(birth), indent=2) + "\n",
        **packages.apt_files(cluster),
        **container_runtime(cluster),
        **unit_files(cluster, node),
    }
    config = kubeadm_file(cluster, node, ca_hash)
    roots: dict[str, str] = {}
    if node.role is Role.CONTROL_PLANE:
        roots = api_server.files() | kubeadm.patches(cluster)
    return [
        *program(cluster, node),
        *(File(path, text) for path, text in plain.items()),
        *(File(path, text, "0600") for path, text in roots.items()),
        config,
    ]


def facts(cluster: ClusterSpec, node: NodeSpec) -> dict[str, object]:
    """Return what the node program reads of its node; a worker knows less of the cluster."""
    common: dict[str, object] = {
        "cluster": cluster.name,
        "name": node.name,
        "address": str(node.address),
        "api_address": str(cluster.api_address),
        "join_port": JOIN_PORT,
        "modules": MODULES,
        "optional_modules": OPTIONAL_MODULES,
        "packages": packages.pinned(cluster),
        "keys": [
            {"url": source.key_url, "fingerprint": source.fingerprint, "path": source.keyring}
            for source in packages.sources(cluster)
        ],
    }
    if node.role is Role.WORKER:
        return common
    return common | {
        "api_port": API_PORT,
        "data_mount": DATA_MOUNT,
        "api_stable_probes": cluster.api_stable_probes,
        "probe_pause": PROBE_PAUSE,
    }


def container_runtime(cluster: ClusterSpec) -> dict[str, str]:
    """Return the configurations of containerd and of crictl."""
    files = {
        "/etc/containerd/config.toml": render("bootstrap/containerd.toml.j2", pause=PAUSE_IMAGE),
        "/etc/crictl.yaml": f"runtime-endpoint: {kubeadm.CRI_SOCKET}\n",
    }
    wanted = cluster.packages
    registry, authority = wanted.image_registry, wanted.image_registry_authority
    if registry is None:
        return files
    folder = "/etc/containerd/certs.d/_default"
    hosts = render("bootstrap/hosts.toml.j2", registry=registry, authority=authority)
    files[f"{folder}/hosts.toml"] = hosts
    return files | ({f"{folder}/ca.crt": authority} if authority else {})


def program(cluster: ClusterSpec, node: NodeSpec) -> Iterator[File]:
    """Yield the node program: what every node needs and what its role needs."""
    others = {
        name for role, names in MODULES_OF_ROLE.items() if role != node.role for name in names
    }
    if not cluster.may_join_tailnet:
        others.add(TAILNET_MODULE)
    for source in sorted(PROGRAM_SOURCE.glob("*.py")):
        if source.stem not in others:
            text = source.read_text(encoding="utf-8")
            yield File(f"{LIBRARY}/ampere_node/{source.name}", text)
    launchers = {PROGRAM: "__main__", TAILNET_PROGRAM: TAILNET_MODULE}
    for path, module in launchers.items():
        if module not in others:
            text = render("bootstrap/launcher.j2", library=LIBRARY, module=module)
            yield File(path, text, "0755")


@cache
def sources() -> dict[str, str]:
    """Return the modules of the node program, name to text."""
    found = sorted(PROGRAM_SOURCE.glob("*.py"))
    return {source.stem: source.read_text(encoding="utf-8") for source in found}


def kubeadm_file(cluster: ClusterSpec, node: NodeSpec, ca_hash: str | None) -> File:
    """Return the role's kubeadm configuration.

    Raises:
        ValueError: a worker without the CA's hash, which it could not tell the cluster by.
    """
    if node.role is Role.CONTROL_PLANE:
        return File("/etc/ampere/kubeadm-init.yaml", kubeadm.init_config(cluster, node), "0600")
    if ca_hash is None:
        raise ValueError(f"{node.name}: a worker needs the hash of the cluster's CA")
    return File(
        "/etc/ampere/kubeadm-join.yaml", kubeadm.join_config(cluster, node, ca_hash), "0600"
    )
