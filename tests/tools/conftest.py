"""What the tests with real tools share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kvm_host import KvmHostDouble

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> KvmHostDouble:
    return KvmHostDouble(tmp_path)
