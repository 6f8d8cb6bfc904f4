"""The proving ground, which the tests of this folder share: one takes minutes to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ground.ground import Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@pytest.fixture(scope="module")
def ground(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Generator[Ground]:
    """A KVM host with mirrors, on which nothing has been made yet."""
    with Ground(tmp_path_factory.mktemp("ground"), say) as made:
        yield made
