"""Container images written without a container runtime: one program in one layer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "application/vnd.oci.image"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES = {"etc/passwd": b"root:x:0:0:root:/:/\n", "etc/group": b"root:x:0:\n"}


@dataclass(frozen=True)
class Image:
    """An image of one static program."""

    name: str
    """With registry and tag."""
    program: Path
    path: str
    """Where the program is in it, such as ``usr/local/bin/etcd``."""


def archive(images: list[Image], target: Path) -> None:
    """Write ``images`` to ``target`` as one OCI image layout in a tar file."""
    blobs: dict[str, bytes] = {}
    entries: list[dict[str, Any]] = []
    for image in images:
        layer = _layer(image)
        described = {
            "created": "2026-01-01T00:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [_PATH], "Entrypoint": [f"/{image.path}"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": "2026-01-01T00:00:00Z"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_PREFIX}.manifest.v1+json",
            "config": _kept(blobs, json.dumps(described).encode(), "config.v1+json"),
            "layers": [_kept(blobs, layer, "layer.v1.tar")],
        }
        entry = _kept(blobs, json.dumps(manifest).encode(), "manifest.v1+json")
        annotations = {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
        }
        platform = {"architecture": "amd64", "os": "linux"}
        entries.append(entry | {"annotations": annotations, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": f"{_PREFIX}.index.v1+json", "manifests": entries}
    with tarfile.open(target, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps(index).encode())
        for digest, content in blobs.items():
            _add(tar, f"blobs/{digest.replace(':', '/')}", content)


def _layer(image: Image) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
        for name, content in _FILES.items():
            _add(tar, name, content)
        _add(tar, image.path, image.program.read_bytes(), mode=0o755)
    return written.getvalue()


def _kept(blobs: dict[str, bytes], content: bytes, kind: str) -> dict[str, Any]:
    """Add ``content`` to ``blobs`` and return what points to it."""
    digest = _digest(content)
    blobs[digest] = content
    return {"mediaType": f"{_PREFIX}.{kind}", "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))
