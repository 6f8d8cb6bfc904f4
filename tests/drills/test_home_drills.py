"""What happens in a home, to the home stack while it is being made; each drill takes long.

Run by hand: ``make drills``. ``AMPERE_SEED`` repeats a run, ``AMPERE_CUTS`` sets its length.
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.ground.ground import Ground
from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.state import await_nodes, await_ssh, expected, settled
from tests.ground.trouble import (
    PowerCuts,
    await_console,
    await_running,
    await_true,
    set_clock,
    without_network,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SEED = int(os.environ.get("AMPERE_SEED") or random.randrange(1 << 32))
CUTS = int(os.environ.get("AMPERE_CUTS") or 20)
TRIES = 40
"""So often ``up`` is run again: a command that is cut off half-way fails, as it does at home."""
MINUTE = 60.0
DAY = 86400
STAGES = (
    (MASTER, "Stage 1: the operating system is ready"),
    (WORKER, "Stage 2: container runtime"),
    (MASTER, "Stage 2: kubeadm init"),
    (MASTER, "Stage 2: the API answers steadily"),
    (WORKER, "Stage 4: kubeadm join"),
)


@pytest.fixture
def ground(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Generator[Ground]:
    with Ground(tmp_path_factory.mktemp("ground"), say) as made:
        yield made


@contextmanager
def meanwhile(work: Callable[[], None]) -> Generator[None]:
    """Do ``work`` beside the context; its failure is the test's."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - raised again where it is seen
            failures.append(failure)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    yield
    thread.join()
    if failures:
        raise failures[0]


def ups(ground: Ground) -> int:
    """Run ``up`` until it succeeds; return how often it was run."""
    for number in range(1, TRIES + 1):
        outcome = ground.up()
        if outcome.ok:
            return number
        for error in outcome.errors:
            ground.say(f"up {number}: {error[:300]}")
    raise AssertionError(f"{TRIES} runs of up were not enough")


def converges(ground: Ground) -> None:
    """See that the cluster is as one that nothing happened to."""
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0, "nothing is left to do"
    assert settled(ground) == expected()


def test_power_cuts_at_random_moments_change_nothing_in_the_end(ground: Ground) -> None:
    ground.say(f"AMPERE_SEED={SEED} AMPERE_CUTS={CUTS}")
    power = PowerCuts(ground, SEED, CUTS // 2)
    threads = power.start()
    try:
        number = ups(ground)
        for thread in threads:
            thread.join()
    finally:
        power.stop()
    ground.say(f"{len(power.cuts)} power cuts, {number} runs of up")
    assert len(power.cuts) >= CUTS // 2 * 2
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    ups(ground)
    converges(ground)


def test_no_mirror_a_wrong_clock_and_no_network_in_each_stage_are_waited_out(
    ground: Ground,
) -> None:
    """One after the other, in one run of ``up`` that need not be repeated."""
    ground.stop_mirror()

    def trouble() -> None:
        for machine, days in ((MASTER, -DAY), (WORKER, DAY)):
            await_running(ground, machine)
            set_clock(ground, machine, days)
        await_console(ground, MASTER, "Failed to start ampere-packages.service")
        ground.say("the mirror is back")
        ground.start_mirror()
        for machine, stage in STAGES:
            await_console(ground, machine, stage)
            ground.say(f"{machine} is without its network, in {stage}")
            without_network(ground, machine, MINUTE)

    with meanwhile(trouble):
        number = ups(ground)
    ground.say(f"{number} runs of up")
    converges(ground)


def test_a_full_disk_is_said_by_the_gate_and_not_waited_for(ground: Ground) -> None:
    def fill() -> None:
        await_true(lambda: WORKER in ground.known(), f"the host key of {WORKER}", 1800)
        await_ssh(ground, WORKER)
        left = "$(($(df --output=avail -B1 / | tail -1) - 500000000))"
        ground.on(WORKER, f"sudo fallocate -l {left} /var/tmp/filler")
        ground.say(f"the disk of {WORKER} is full")

    with meanwhile(fill):
        outcome = ground.up()
    assert not outcome.ok
    said = "\n".join(outcome.errors) + outcome.output
    assert f"{WORKER}: NODE_JOINED will not come before somebody changes this" in said, said
    assert "the disk is full: / has " in said
    ground.on(WORKER, "sudo rm /var/tmp/filler")
    assert ups(ground) == 1
    converges(ground)
