"""Virtual environments of the tests' own, made once for each file of locked requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ampere_infra.go_build import cache_folder
from ampere_infra.made_once import made_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def environment(requirements: Path, say: Callable[[str], None]) -> Path:
    """Return the folder of the programs of ``requirements``, whose hashes are all known.

    It is made with the Python that runs the tests and kept beside the built tools.
    """
    described = f"{sys.version_info[:2]} {sys.platform}".encode() + requirements.read_bytes()
    digest = hashlib.sha256(described).hexdigest()[:16]
    name = requirements.parent.name
    target = cache_folder().with_name("environments") / f"{name}-{digest}"

    def make(folder: Path) -> None:
        say(f"making the environment of {name}: about a minute, the first time")
        uv = os.environ.get("UV") or "uv"
        _run(uv, "venv", "--relocatable", "--allow-existing", "--python", sys.executable, folder)
        python = folder / "bin" / "python"
        _run(uv, "pip", "sync", "--require-hashes", "--python", python, requirements)

    return made_once(target, target.with_suffix(".lock"), name, make, say) / "bin"


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[:3]} failed\n{done.stderr[-3000:]}"
