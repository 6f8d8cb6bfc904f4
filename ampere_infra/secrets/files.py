"""Where the files of secrets lie."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("secrets")
"""The folder, below the project's, of which every file is sealed."""


def secrets_file(stack: str) -> Path:
    """Return the SOPS file of ``stack``, relative to the project's folder."""
    return FOLDER / f"{stack}.enc.yaml"
