"""What goes wrong on the proving ground: when it does, read from a console; how it ends a test."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from tests.ground import trouble
from tests.ground.beside import Beside
from tests.ground.rootfs import FILES, STAGES
from tests.ground.trouble import Trouble, at_work, clocks, passed
from tests.waiting import await_true

if TYPE_CHECKING:
    from tests.ground.ground import Ground

OS_READY, PACKAGES, INIT, API_STABLE, JOIN = STAGES
BOOTED = """\
[    0.000000] Linux version 6.12.48+deb13-cloud-amd64 (debian-kernel@lists.debian.org)
[    2.204013] rtc_cmos 00:04: setting system clock to 2026-11-28T10:00:00 UTC (1795860000)
         Starting cloud-final.service - Cloud-init: Final Stage...
         Starting ampere-os-ready.service - Stage 1: the operating system is ready...
Starting ampere-os-ready.service
Finished ampere-os-ready.service
[  OK  ] Finished ampere-os-ready.service - Stage 1: the operating system is ready.
         Starting ampere-packages.service - Stage 2: container runtime...
Starting ampere-packages.service
"""
FAILED = "Failed to start ampere-packages.service\n"
AGAIN = "Starting ampere-packages.service\n"


class Consoles:
    """Machines that only talk."""

    def __init__(self, said: str) -> None:
        self.said = said

    def console(self, machine: str) -> str:
        return self.said

    def say(self, line: str) -> None:
        """Tell nobody."""


def troubled(said: str) -> Trouble:
    return Trouble(cast("Ground", Consoles(said)), seed=1)


def test_a_console_tells_which_units_are_at_work():
    assert at_work(BOOTED) == ("cloud-final", PACKAGES)
    assert at_work(BOOTED + FAILED) == ("cloud-final",)
    assert at_work(BOOTED + FAILED + AGAIN) == ("cloud-final", PACKAGES), "it is tried again"
    assert at_work("[    0.0] Linux version 6.12") == ()


def test_what_runs_again_and_again_is_no_stage():
    assert at_work("Starting ampere-converge.service\nStarting kubeadm-token-keep.service\n") == ()


def test_a_stage_has_passed_when_it_or_what_comes_after_it_says_so():
    assert passed(BOOTED, OS_READY)
    assert not passed(BOOTED, PACKAGES)
    assert passed("Starting kubeadm-init.service\n", PACKAGES), "the power was cut in between"
    assert not passed(BOOTED, trouble.BOOT), "a boot comes again"


def test_each_stage_tells_the_console_of_all_its_tries():
    for unit in STAGES:
        told = FILES[f"etc/systemd/system/{unit}.service.d/ground.conf"]
        for verb in ("Starting", "Finished", "Failed to start"):
            assert f"echo {verb} %n >/dev/console" in told


def test_the_hardware_clock_of_each_boot_is_read_from_the_console():
    assert clocks(BOOTED + BOOTED.replace("1795860000", "1795860300")) == [1795860000, 1795860300]


def test_a_stage_that_is_there_or_has_passed_is_not_waited_for():
    troubled(BOOTED).await_stage("node", PACKAGES)
    troubled(BOOTED).await_stage("node", OS_READY)


def test_a_stage_that_never_comes_is_named_with_the_end_of_the_console(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(trouble, "STAGE_SECONDS", 0.0)
    with pytest.raises(AssertionError, match=r"node was not in kubeadm-join(.|\n)*ampere-packages"):
        troubled(BOOTED).await_stage("node", JOIN)


def test_a_wait_says_what_did_not_come_and_what_came_instead():
    with pytest.raises(AssertionError, match=r"spring: not within 0 s\nsnow"):
        await_true(lambda: False, "spring", 0, 0, lambda: "snow")


def test_the_first_failure_beside_a_test_ends_all_work_and_is_the_tests():
    interrupted: list[bool] = []
    beside = Beside(lambda: interrupted.append(True))
    waiting = troubled(BOOTED)
    waiting.stop = beside.stop

    def fail() -> None:
        raise AssertionError("the first")

    beside.start(lambda: waiting.await_stage("node", JOIN))
    beside.start(fail)
    with pytest.raises(AssertionError, match="the first"):
        beside.finish(60)
    await_true(lambda: len(beside.failures) == 2, "the other's failure")
    assert "something else has failed" in str(beside.failures[1])
    assert interrupted == [True]


def test_work_beside_a_test_is_not_waited_for_without_a_limit():
    goes_on = threading.Event()
    beside = Beside(lambda: None)

    def wait() -> None:
        goes_on.wait()

    beside.start(wait)
    with pytest.raises(AssertionError, match="has not ended in 0 s"):
        beside.finish(0)
    goes_on.set()
    beside.finish(60)
