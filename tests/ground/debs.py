"""The packages of Kubernetes and containerd, laid out as their upstreams do, of our own binaries.

Little is compressed: to unpack a package takes an emulated machine far longer than to fetch it.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra import tools
from tests.ground.cache import kept, recipe
from tests.ground.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KUBERNETES_REVISION = "1.1"
CONTAINERD_REVISION = "1~debian.13~trixie"

_KUBELET_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

_KUBEADM_DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS \
$KUBELET_EXTRA_ARGS
"""

_CONTAINERD_UNIT = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""

_CONTAINERD_CONFIG = 'disabled_plugins = ["cri"]\n'
"""What upstream ships: a runtime that Kubernetes cannot use unless it is configured."""

_START = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-helper enable {unit} >/dev/null || true
    deb-systemd-invoke start {unit} >/dev/null || true
fi
"""


@dataclass(frozen=True)
class Package:
    """One package: its words for dpkg, its programs and its files."""

    name: str
    version: str
    depends: str = ""
    programs: Mapping[str, str] = field(default_factory=dict[str, str])
    """Paths of programs, and which tool of ours each is."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    conffiles: tuple[str, ...] = ()
    postinst: str = ""
    provides: str = ""


def kubernetes() -> tuple[Package, ...]:
    """Return what the repository of Kubernetes holds for one of its releases."""
    version = f"{_plain('kubernetes')}-{KUBERNETES_REVISION}"
    crictl = f"{_plain('crictl')}-{KUBERNETES_REVISION}"
    return (
        Package("kubectl", version, programs={"usr/bin/kubectl": "kubectl"}),
        Package(
            "kubeadm",
            version,
            depends="cri-tools (>= 1.30.0)",
            programs={"usr/bin/kubeadm": "kubeadm"},
            files={"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": _KUBEADM_DROP_IN},
        ),
        Package(
            "kubelet",
            version,
            depends="iptables (>= 1.4.21), mount, util-linux",
            programs={"usr/bin/kubelet": "kubelet"},
            files={
                "usr/lib/systemd/system/kubelet.service": _KUBELET_UNIT,
                "etc/default/kubelet": "KUBELET_EXTRA_ARGS=\n",
            },
            conffiles=("/etc/default/kubelet",),
        ),
        Package("cri-tools", crictl, programs={"usr/bin/crictl": "crictl"}),
    )


def containerd() -> tuple[Package, ...]:
    """Return what the repository of containerd holds; runc comes from Debian."""
    programs = ("containerd", "containerd-shim-runc-v2", "ctr")
    return (
        Package(
            "containerd.io",
            f"{_plain('containerd')}-{CONTAINERD_REVISION}",
            depends="runc, init-system-helpers",
            programs={f"usr/bin/{name}": name for name in programs},
            files={
                "usr/lib/systemd/system/containerd.service": _CONTAINERD_UNIT,
                "etc/containerd/config.toml": _CONTAINERD_CONFIG,
            },
            conffiles=("/etc/containerd/config.toml",),
            postinst=_START.format(unit="containerd.service"),
            provides="containerd",
        ),
    )


def debs(say: Callable[[str], None]) -> Path:
    """Return a folder with ``kubernetes/*.deb`` and ``containerd/*.deb``.

    Raises:
        GroundError: dpkg-deb failed.
        BuildError: A program could not be built.
    """
    groups = {"kubernetes": kubernetes(), "containerd": containerd()}
    names = [tool for group in groups.values() for p in group for tool in p.programs.values()]
    programs = {name: tools.own(name, say) for name in names}

    def make(folder: Path) -> None:
        for group, packages in groups.items():
            (folder / group).mkdir()
            for package in packages:
                say(f"packing {package.name} {package.version}")
                _pack(package, programs, folder / group)

    key = recipe(Path(__file__), *sorted(str(path) for path in programs.values()))
    return kept("debs", key, make, say)


def _plain(module: str) -> str:
    return tools.pinned(module, tools.MODULES[module].pin).removeprefix("v")


def _pack(package: Package, programs: Mapping[str, Path], into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        for name, tool in package.programs.items():
            shutil.copy(programs[tool], _parent(root / name))
            (root / name).chmod(0o755)
        for name, text in package.files.items():
            _parent(root / name).write_text(text)
        for name, text in _control(package).items():
            _parent(root / "DEBIAN" / name).write_text(text)
        if package.postinst:
            (root / "DEBIAN/postinst").chmod(0o755)
        target = into / f"{package.name}_{package.version}_amd64.deb"
        run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", root, target)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _control(package: Package) -> dict[str, str]:
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Architecture": "amd64",
        "Maintainer": "Ampere proving ground <ground@example.invalid>",
        "Depends": package.depends,
        "Provides": package.provides,
        "Description": f"{package.name}, built from its pinned source",
    }
    control = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    files = {"control": control}
    if package.conffiles:
        files["conffiles"] = "".join(f"{name}\n" for name in package.conffiles)
    if package.postinst:
        files["postinst"] = package.postinst
    return files
