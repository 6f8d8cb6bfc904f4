"""A KVM host for tests: only virsh, ssh-keyscan and sudo are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

POOL = "ampere-k8s"


class KvmHostDouble:
    """A host: stand-ins first in PATH, everything they keep in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        for name in ("bin", "pools/" + POOL, "definitions", "networks", "domains", "home"):
            (folder / name).mkdir(parents=True)
        self.put("virsh", (Path(__file__).parent / "fake_virsh.py").read_text())
        self.put("kubectl", "#!/bin/sh\n")

    def put(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(text)
        program.chmod(0o755)

    @property
    def pool(self) -> Path:
        return self.folder / "pools" / POOL

    @property
    def volumes(self) -> set[str]:
        return {volume.name for volume in self.pool.iterdir()}

    @property
    def cache(self) -> Path:
        return self.folder / "home/.cache/ampere" / POOL

    @property
    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def run(
        self, script: str, shell: str = "dash", stdin: str = "", path: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        words = shutil.which(shell)
        assert words
        checked = subprocess.run([words, "-n", "-c", script], check=False, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, b""), "the shell cannot read it"
        return subprocess.run(
            [words, "-c", script],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=60,
            env={
                "PATH": path or f"{self.bin}:{os.environ['PATH']}",
                "HOME": str(self.folder / "home"),
                "FAKE_HOST": str(self.folder),
                **env,
            },
        )
