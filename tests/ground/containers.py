"""The control plane's container images, unpacked in advance into a containerd's own folder.

A containerd that runs here, natively, unpacks in seconds what would take an emulated machine
minutes, and needs no registry.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra import tools
from tests.ground.cache import kept, recipe
from tests.ground.commands import GroundError, run
from tests.ground.oci import Image, archive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PAUSE_SOURCE: Final = Path(__file__).parent / "pause" / "main.go"
WANTED: Final = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns", "pause"),
)
"""The product's nodes have no kube-proxy, so its image is left out."""

PARTS: Final = (
    "io.containerd.content.v1.content",
    "io.containerd.metadata.v1.bolt",
    "io.containerd.snapshotter.v1.overlayfs",
)
"""What of containerd's folder holds images; the rest is of a running one."""

START_SECONDS: Final = 30.0
_CONFIG: Final = """\
version = 3
root = '{root}'
state = '{state}'
disabled_plugins = [
  'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri',
  'io.containerd.nri.v1.nri', 'io.containerd.internal.v1.opt',
]

[grpc]
  address = '{state}/containerd.sock'
"""


def containers(say: Callable[[str], None]) -> Path:
    """Return a folder like ``/var/lib/containerd``, with the images in it, which nobody changes.

    Raises:
        GroundError: containerd cannot unpack images here.
        BuildError: A program could not be built.
    """
    programs = {name: tools.own(name, say) for name in (*WANTED[:-1], "containerd", "ctr")}
    names = _names(say)
    sources = (Path(__file__), Path(__file__).parent / "oci.py", PAUSE_SOURCE)
    key = recipe(*sources, *names.values(), *sorted(str(path) for path in programs.values()))

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            work = Path(temporary)
            images = [
                Image(name, programs.get(short) or _pause(work), _path(short))
                for short, name in names.items()
            ]
            say(f"packing {len(images)} container images")
            archive(images, work / "images.tar")
            _unpack(work, list(names.values()), programs, say)
            for part in PARTS:
                (work / "root" / part).rename(folder / part)

    return kept("containers", key, make, say)


def _names(say: Callable[[str], None]) -> dict[str, str]:
    """Return the images' names by what they hold, as kubeadm asks for them."""
    version = tools.pinned("kubernetes", tools.MODULES["kubernetes"].pin)
    words = ("config", "images", "list", "--kubernetes-version", version)
    printed = run(tools.own("kubeadm", say), *words).split()
    by_program = {name.rpartition(":")[0].rpartition("/")[2]: name for name in printed}
    return {short: by_program[short] for short in WANTED}


def _path(short: str) -> str:
    """Return where the manifests expect the program: those of coredns and pause name none."""
    return short if short in {"coredns", "pause"} else f"usr/local/bin/{short}"


def _pause(work: Path) -> Path:
    target = work / "pause"
    environment = {**os.environ, "CGO_ENABLED": "0"}
    flags = ("-trimpath", "-buildvcs=false", "-ldflags", "-s -w")
    run("go", "build", *flags, "-o", target, PAUSE_SOURCE, environment=environment)
    return target


def _unpack(
    work: Path, names: list[str], programs: dict[str, Path], say: Callable[[str], None]
) -> None:
    with _containerd(work, programs["containerd"]) as socket:
        ctr = (programs["ctr"], "--address", socket, "--namespace", "k8s.io", "images")
        run(
            *(*ctr, "import", "--snapshotter", "overlayfs", work / "images.tar"),
            say=say,
            doing="unpacking the container images",
        )
        for name in names:
            run(*ctr, "label", name, "io.cri-containerd.image=managed")
        found = run(*ctr, "check", "--snapshotter", "overlayfs")
        unready = [name for name in names if not _ready(name, found)]
        if unready:
            raise GroundError(f"not unpacked: {unready}; containerd says:\n{found}")


def _ready(name: str, found: str) -> bool:
    line = next((line for line in found.splitlines() if line.startswith(f"{name} ")), "")
    return " complete " in line and line.rstrip().endswith("true")


@contextmanager
def _containerd(work: Path, program: Path) -> Generator[Path]:
    """Run a containerd of our own, whose folder is ``work``/root, and yield its socket."""
    with tempfile.TemporaryDirectory(prefix="ground-") as state:
        socket = Path(state) / "containerd.sock"
        config = work / "config.toml"
        config.write_text(_CONFIG.format(root=work / "root", state=state))
        log = work / "containerd.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [program, "--config", config], stdout=written, stderr=written
            )
            try:
                _await(socket, process, log)
                yield socket
            finally:
                process.terminate()
                process.wait(START_SECONDS)


def _await(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise GroundError(f"containerd does not start here:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
