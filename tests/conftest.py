"""What every kind of test shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ampere_infra import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Debian keeps nginx and netplan where only root looks.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"])


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Find a real program of the ``tools/`` folder, or build it: ``tool("kubeadm")``."""
    return tools.path
