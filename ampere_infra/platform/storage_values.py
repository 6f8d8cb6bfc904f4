"""The values of the local-path chart: pure, so that they can be judged before anything is made."""

from __future__ import annotations

from typing import Any

from ampere_infra.bootstrap.spec import LOCAL_PATH

STORAGE_CLASS = "local-path"
DEFAULT_PATH = LOCAL_PATH
"""A folder on each node's data disk, which outlives the machine."""


def values(image: str, helper_image: str, path: str = DEFAULT_PATH) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "image": image,
        "helperImage": helper_image,
        "path": path,
        "storageClass": {"name": STORAGE_CLASS, "default": True},
    }
