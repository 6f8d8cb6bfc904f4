"""What other projects publish of their charts and objects: a folder that not every machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "AMPERE_UPSTREAM"
_BESIDE = Path(__file__).parents[2] / "shared/upstream"
FOLDER = Path(os.environ.get(VARIABLE) or _BESIDE)
"""A folder for each project and version: ``cert-manager-1.21.1/crds``."""
needs_upstream = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"{FOLDER} is missing; {VARIABLE} may name another folder"
)


def upstream_files(pattern: str) -> list[Path]:
    """Return the files or folders that fit, none where the folder is missing."""
    return sorted(FOLDER.glob(pattern))
