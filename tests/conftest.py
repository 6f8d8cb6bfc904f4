"""What every kind of test shares."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from _pytest.capture import CaptureManager

from ampere_infra import tools

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.ground.ground import Ground
    from tests.keyvault.server import Azure

# An Output belongs to the main thread's event loop, which Python no longer makes unasked.
_LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(_LOOP)

# Debian keeps nginx and netplan where only root looks.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"])


def pytest_unconfigure() -> None:
    """Leave no loop behind that is open."""
    asyncio.set_event_loop(None)
    _LOOP.close()


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Tell the person who waits, past what pytest captures."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert isinstance(capture, CaptureManager)

    def speak(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(line, flush=True)

    return speak


@pytest.fixture(scope="module")
def ground(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Generator[Ground]:
    """A KVM host with mirrors, on which nothing has been made yet: one takes minutes to make."""
    from tests.ground.home_ground import HomeGround  # noqa: PLC0415 - few tests need it

    with HomeGround(tmp_path_factory.mktemp("ground"), say) as made:
        yield made


@pytest.fixture(scope="module")
def public_ground(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Generator[Ground]:
    """A data center with mirrors, in which no server has been rented yet."""
    from tests.ground.public_ground import PublicGround  # noqa: PLC0415 - few tests need it

    with PublicGround(tmp_path_factory.mktemp("ground"), say) as made:
        yield made


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Find a real program of the ``tools/`` folder, or build it: ``tool("kubeadm")``."""
    return tools.path


@pytest.fixture
def azure(tmp_path_factory: pytest.TempPathFactory) -> Generator[Azure]:
    """Serve an Azure of this test's own; ``azure.environment`` leads sops there."""
    from tests.keyvault.server import serving  # noqa: PLC0415 - few tests need it

    with serving(tmp_path_factory.mktemp("azure")) as served:
        yield served
