"""What every kind of test shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ampere_infra import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Find a real program of the ``tools/`` folder, or build it: ``tool("kubeadm")``."""
    return tools.path
