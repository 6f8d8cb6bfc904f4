"""Stage 2 on the control plane: ``kubeadm init``, which any number of power cuts may interrupt.

What a try finds decides what it does:

- The data disk carries the stamp ``cluster``: an ``init`` has ended well with this etcd, so there
  may be a whole platform in it, and it is never emptied. Either only the marker was lost, or this
  is a new root disk before an old data disk: the keys kept beside the stamp are put back and
  kubeadm starts the control plane over the data that is there.
- No stamp: whatever an interrupted try left is worth nothing, since nobody was told of it yet.
  ``kubeadm reset`` and an emptied etcd folder give the next try a clean start; the pushed CA
  survives in our own copy.

The keys that Secrets are encrypted with never lie on the data disk, only how to know them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .core import Blocked, Failed, at, facts, mark, private_folder, room, run, say, write
from .encryption import CONFIG as ENCRYPTION
from .encryption import missing, remember
from .pki import PKI, REMEDY

if TYPE_CHECKING:
    from collections.abc import Iterable

KUBERNETES = "/etc/kubernetes"
CONFIG = "/etc/ampere/kubeadm-init.yaml"
ROOM = 1024
"""MiB: the images of the control plane and their logs."""
ROOM_FOR_ETCD = 256
"""MiB: etcd writes 64 MiB of its log ahead."""
KEPT = (
    "sa.key",
    "sa.pub",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
)
"""What makes a control plane the same one again, besides the pushed CA and etcd's data."""


def init() -> None:
    """Create the control plane, or take it up again, then earn ``CONTROL_PLANE_CREATED``.

    Raises:
        Failed: kubeadm failed.
        Blocked: the data disk belongs to another cluster, or to keys that are not here, or there is
            no room left.
    """
    known = facts()
    for path, mebibytes in (("/", ROOM), (known["data_mount"], ROOM_FOR_ETCD)):
        room(path, mebibytes)
    etcd = at(known["data_mount"]) / "etcd"
    stamp = etcd.with_name("cluster")
    if stamp.exists():
        owner = stamp.read_text(encoding="utf-8").strip()
        if owner != known["cluster"]:
            raise Blocked(f"the data disk belongs to the cluster {owner}: left alone")
        if lost := missing(at(ENCRYPTION).read_text(encoding="utf-8")):
            raise Blocked(f"the data disk's Secrets need {', '.join(lost)}: {REMEDY}")
        take_up(etcd)
        remember()
    else:
        begin(etcd)
        remember()
        write(stamp, f"{known['cluster']}\n")
    mark("CONTROL_PLANE_CREATED")


def take_up(etcd: Path) -> None:
    """Start the control plane over a finished cluster's data."""
    say("the data disk carries a finished cluster: taking it up again")
    reset()
    copy(KEPT, etcd.with_name("pki"), at(f"{KUBERNETES}/pki"))
    known_name = facts()["data_mount"].replace("/", "-")
    kubeadm_init(f"--ignore-preflight-errors=DirAvailable-{known_name}-etcd")


def begin(etcd: Path) -> None:
    """Make a new cluster, without what an interrupted try may have left."""
    manifests = at(f"{KUBERNETES}/manifests")
    if any(at(KUBERNETES).glob("*.conf")) or any(manifests.glob("*.yaml")) or etcd.exists():
        say("an earlier try was interrupted: starting afresh")
        reset()
        shutil.rmtree(etcd, ignore_errors=True)
    kubeadm_init()
    keep(etcd.with_name("pki"))


def kubeadm_init(*options: str) -> None:
    """Run ``kubeadm init`` with the pushed CA in its place."""
    copy(("ca.crt", "ca.key"), at(PKI), at(f"{KUBERNETES}/pki"))
    run("kubeadm", "init", f"--config={at(CONFIG)}", "--skip-token-print", *options)
    tokens = "--field-selector=type=bootstrap.kubernetes.io/token"
    admin = f"--kubeconfig={at(f'{KUBERNETES}/admin.conf')}"
    # kubeadm always makes a token of a day; here each worker has its own.
    run("kubectl", admin, "--namespace=kube-system", "delete", "secrets", tokens)


def reset() -> None:
    """Stop and remove the node's pods and kubeadm's files, but never etcd's data.

    Where the API answers, the phase left out would empty etcd's folder.
    """
    run("kubeadm", "reset", "--force", "--skip-phases=remove-etcd-member")


def keep(folder: Path) -> None:
    """Keep the keys that make this control plane, beside the etcd data that they belong to."""
    private_folder(f"/{folder.relative_to(at('/'))}")
    copy(KEPT, at(f"{KUBERNETES}/pki"), folder)


def copy(names: Iterable[str], source: Path, target: Path) -> None:
    """Copy files that only root may read.

    Raises:
        Failed: one is missing.
    """
    for name in names:
        try:
            text = Path(source / name).read_text(encoding="utf-8")
        except OSError as error:
            raise Failed(f"cannot read {source / name}: {error.strerror}") from error
        write(target / name, text, 0o600)
