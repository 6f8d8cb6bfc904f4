"""A node that is a folder, with programs that only say that they were called."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bootstrap_cases import home, lay_out

from ampere_infra.bootstrap.node import core

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ampere_infra.bootstrap.spec import NodeSpec

PROGRAMS = (
    "apt-get apt-mark blkid cloud-init crictl dpkg kubeadm kubectl mkfs.ext4 modprobe swapoff"
    " sysctl systemctl timedatectl udevadm"
)
READY = [{"type": "Ready", "status": "True"}]
NOT_READY = [{"type": "Ready", "status": "Unknown"}]


@dataclass(frozen=True)
class FakeNode:
    root: Path
    programs: Path
    monkeypatch: pytest.MonkeyPatch

    def answer(self, program: str, script: str) -> None:
        """Let ``program`` do what the sh text ``script`` says; each call is noted."""
        path = self.programs / program
        note = f'echo "{program} $*" >> "{self.programs}/calls"'
        path.write_text(f"#!/bin/sh\n{note}\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        noted = self.programs / "calls"
        return noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []

    def forget(self) -> None:
        (self.programs / "calls").unlink(missing_ok=True)

    def type(self, text: str) -> None:
        self.monkeypatch.setattr("sys.stdin", io.StringIO(text))

    def put(self, path: str, text: str = "something\n") -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def has(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def facts(self, **changes: Any) -> None:
        file = self.root / "etc/ampere/node.json"
        known = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(known | changes), encoding="utf-8")

    def nodes(self, **nodes: tuple[str, bool]) -> None:
        """Let kubectl list ``nodes``: name to time of creation and readiness."""
        items = [
            {
                "metadata": {"name": name, "creationTimestamp": created},
                "status": {"conditions": READY if ready else NOT_READY},
            }
            for name, (created, ready) in nodes.items()
        ]
        (self.programs / "nodes.json").write_text(json.dumps({"items": items}))
        listed = f'*"get nodes"*) cat "{self.programs}/nodes.json";;'
        applied = f'*apply*) cat > "{self.programs}/applied.json";;'
        self.answer("kubectl", f'case "$*" in {listed} {applied} esac')

    @property
    def applied(self) -> dict[str, Any]:
        return json.loads((self.programs / "applied.json").read_text())


def fake_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: NodeSpec) -> FakeNode:
    root, programs = tmp_path / "root", tmp_path / "programs"
    programs.mkdir()
    lay_out(home().born(node), root)
    monkeypatch.setattr(core, "ROOT", root)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    fake = FakeNode(root, programs, monkeypatch)
    for program in PROGRAMS.split():
        fake.answer(program, "")
    return fake
