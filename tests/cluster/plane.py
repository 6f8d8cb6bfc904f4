"""The flags of the control plane: what kubeadm makes of the program's own configuration.

kubeadm runs for itself, phase by phase: it makes certificates, kubeconfigs and static pods from the
rendered configuration. The pods' command lines are then run here as plain processes, so that
whatever the program asks of the API server, an audit policy or encryption at rest, is asked of a
real one. Every path of the node stands below a folder, and the only flags that are others are those
that name addresses and ports.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ampere_infra import tools
from ampere_infra.bootstrap.kubeadm import PATCHES
from tests.cluster.process import ClusterError
from tests.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("apiserver", "controller-manager", "scheduler", "etcd", "etcd-peer", "etcd-metrics")


@dataclass(frozen=True)
class Plane:
    """A control plane's folder, which stands for the node's ``/``, and its ports."""

    root: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})

    @property
    def kubernetes(self) -> Path:
        """The node's ``/etc/kubernetes``."""
        return self.root / "etc/kubernetes"

    @property
    def pki(self) -> Path:
        """Where kubeadm makes the keys and certificates that it does not find."""
        return self.kubernetes / "pki"

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://{LOOPBACK}:{self.ports['apiserver']}"

    def url(self, name: str, scheme: str = "https") -> str:
        """Return the address of another part."""
        return f"{scheme}://{LOOPBACK}:{self.ports[name]}"

    def lay_out(self, config: str, files: dict[str, str]) -> None:
        """Write what the node has, and let kubeadm make the rest.

        Args:
            config: what the program gives to ``kubeadm init``.
            files: the node's own files that it refers to, by their path on the node.
        """
        for path, text in files.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")
            place.chmod(0o600)
        self.kubernetes.mkdir(parents=True, exist_ok=True)
        given = self.kubernetes / "kubeadm.yaml"
        given.write_text(self._here(config), encoding="utf-8")
        self._phase("certs", "all", "--config", given)
        self._phase("kubeconfig", "all", "--config", given, "--kubeconfig-dir", self.kubernetes)
        for file in self.kubernetes.glob("*.conf"):
            login = yaml.safe_load(file.read_text(encoding="utf-8"))
            login["clusters"][0]["cluster"]["server"] = self.server
            file.write_text(yaml.safe_dump(login), encoding="utf-8")
        self._phase("control-plane", "all", "--config", given, "--dry-run")
        self._phase("etcd", "local", "--config", given, "--dry-run")

    def flags(self, name: str) -> dict[str, str]:
        """Return the flags of ``kube-apiserver``, ``etcd``, ... as they are here."""
        pod: dict[str, Any] = yaml.safe_load((self.root / f"{name}.yaml").read_text())
        (container,) = pod["spec"]["containers"]
        words = [word.removeprefix("--").partition("=") for word in container["command"][1:]]
        flags = {key: value for key, _, value in words}
        mounts = _mounts(pod["spec"], container)
        return {key: self._place(value, mounts) for key, value in flags.items()} | self._own(name)

    def _here(self, config: str) -> str:
        documents: list[dict[str, Any]] = list(yaml.safe_load_all(config))
        for document in documents:
            if document["kind"] == "InitConfiguration":
                document["localAPIEndpoint"]["bindPort"] = self.ports["apiserver"]
                document["patches"]["directory"] = f"{self.root}{PATCHES}"
            if document["kind"] == "ClusterConfiguration":
                document["certificatesDir"] = str(self.pki)
                document["controlPlaneEndpoint"] = f"{LOOPBACK}:{self.ports['apiserver']}"
                document["apiServer"]["certSANs"].append(LOOPBACK)
        return yaml.safe_dump_all(documents)

    def _phase(self, *words: str | Path) -> None:
        done = subprocess.run(
            [tools.path("kubeadm"), "init", "phase", *words],
            env={**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"kubeadm init phase {words[0]} {words[1]}:\n{done.stderr}")

    def _place(self, value: str, mounts: dict[str, str]) -> str:
        """Return where the node's file ``value`` is here; what names no file stays."""
        if not value.startswith("/") or value.startswith(str(self.root)):
            return value
        for inside, outside in mounts.items():
            if value == inside or value.startswith(f"{inside}/"):
                value = outside + value.removeprefix(inside)
                break
        place = self.root / value.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return str(place)

    def _own(self, name: str) -> dict[str, str]:
        """Return the flags that cannot be the node's: addresses and ports."""
        ports = self.ports
        match name:
            case "etcd":
                client, peer = self.url("etcd"), self.url("etcd-peer")
                return {
                    "name": "etcd",
                    "listen-client-urls": client,
                    "advertise-client-urls": client,
                    "listen-peer-urls": peer,
                    "initial-advertise-peer-urls": peer,
                    "initial-cluster": f"etcd={peer}",
                    "listen-metrics-urls": self.url("etcd-metrics", "http"),
                }
            case "kube-apiserver":
                return {
                    "advertise-address": LOOPBACK,
                    "bind-address": LOOPBACK,
                    "etcd-servers": self.url("etcd"),
                    # Endpoints must not be on loopback, and nobody here uses them.
                    "endpoint-reconciler-type": "none",
                }
            case _:
                return {"secure-port": str(ports[name.removeprefix("kube-")])}


def _mounts(spec: dict[str, Any], container: dict[str, Any]) -> dict[str, str]:
    """Return what the container's folders are on the node."""
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
