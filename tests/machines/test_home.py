"""The home stack's machines for real, as far as an emulated processor gets in minutes."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.ground.home import ADDRESSES
from tests.ground.trouble import await_true

if TYPE_CHECKING:
    from tests.ground.ground import Ground

EARNED = {"OS_READY", "PACKAGES_INSTALLED"}
SECONDS = 1500


def test_one_up_boots_the_machines_and_installs_kubernetes(ground: Ground) -> None:
    with ThreadPoolExecutor(1) as pool:
        up = pool.submit(ground.up)
        await_true(lambda: ground.stage.engine.process is not None, "engine", 60)
        engine = ground.stage.engine.process
        assert engine is not None
        try:
            await_true(lambda: ground.known() == set(ADDRESSES), "host keys", SECONDS)
            for machine in ADDRESSES:
                await_true(
                    lambda machine=machine: ground.markers(machine).keys() >= EARNED,
                    f"packages on {machine}",
                    SECONDS,
                )
                versions = ground.on(machine, "kubelet --version; containerd --version").stdout
                assert "v1.36.3" in versions
        finally:
            engine.send_signal(signal.SIGINT)
            outcome = up.result(300)
    assert not outcome.ok, "it was interrupted before the cluster"
