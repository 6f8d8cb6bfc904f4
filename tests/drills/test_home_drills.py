"""What happens in a home, to the home stack while it is being made; each drill takes long.

Run by hand: ``make drills``. ``AMPERE_SEED`` repeats a run, ``AMPERE_CUTS`` sets its length.
"""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.ground.ground import Ground
from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.state import await_nodes, await_ssh, end_state
from tests.ground.trouble import (
    PowerCuts,
    await_running,
    await_stage,
    await_true,
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
UNCUT: list[dict[str, object]] = []
"""The end state of a run that nothing happened to."""


@pytest.fixture
def ground(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Generator[Ground]:
    with Ground(tmp_path_factory.mktemp("ground"), say) as made:
        yield made


def ups(ground: Ground) -> int:
    """Run ``up`` until it succeeds; return how often it was run."""
    for number in range(1, TRIES + 1):
        outcome = ground.up()
        if outcome.ok:
            return number
        for error in outcome.errors:
            ground.say(f"up {number}: {error[:300]}")
    raise AssertionError(f"{TRIES} runs of up were not enough")


def converged(ground: Ground) -> dict[str, object]:
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0, "nothing is left to do"
    return end_state(ground)


def uncut(ground: Ground) -> dict[str, object]:
    if not UNCUT:
        assert ups(ground) == 1
        UNCUT.append(converged(ground))
    return UNCUT[0]


def test_a_run_that_nothing_happens_to_is_the_measure(ground: Ground) -> None:
    uncut(ground)


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
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    ups(ground)
    assert len(power.cuts) >= CUTS // 2 * 2
    assert converged(ground) == uncut(ground)


@pytest.mark.parametrize(
    ("machine", "stage"),
    [
        (MASTER, "Stage 1: the operating system"),
        (MASTER, "Stage 2: container runtime"),
        (MASTER, "Stage 2: kubeadm init"),
        (WORKER, "Stage 4: kubeadm join"),
    ],
)
def test_a_minute_without_network_changes_nothing_in_the_end(
    ground: Ground, machine: str, stage: str
) -> None:
    def pull() -> None:
        await_running(ground, machine, threading.Event())
        await_stage(ground, machine, stage)
        ground.say(f"{machine} is without its network, in {stage}")
        without_network(ground, machine, MINUTE)

    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    ups(ground)
    thread.join()
    assert converged(ground) == uncut(ground)


def test_a_mirror_that_is_down_is_waited_for(ground: Ground) -> None:
    ground.stop_mirror()

    def mend() -> None:
        await_running(ground, MASTER, threading.Event())
        await_stage(ground, MASTER, "Failed to start ampere-packages.service")
        ground.say("the mirror is back")
        ground.start_mirror()

    thread = threading.Thread(target=mend, daemon=True)
    thread.start()
    assert ups(ground) == 1, "the gate waits"
    thread.join()
    assert converged(ground) == uncut(ground)


def test_a_full_disk_is_said_by_the_gate_and_not_waited_for(ground: Ground) -> None:
    def fill() -> None:
        await_running(ground, WORKER, threading.Event())
        await_true(lambda: WORKER in ground.known(), f"the host key of {WORKER}", 1800)
        await_ssh(ground, WORKER)
        left = "$(($(df --output=avail -B1 / | tail -1) - 500000000))"
        ground.on(WORKER, f"sudo fallocate -l {left} /var/tmp/filler")
        ground.say(f"the disk of {WORKER} is full")

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    outcome = ground.up()
    thread.join()
    assert not outcome.ok
    said = "\n".join(outcome.errors) + outcome.output
    assert f"{WORKER}: NODE_JOINED will not come before somebody changes this" in said, said
    assert "the disk is full: / has " in said
    ground.on(WORKER, "sudo rm /var/tmp/filler")
    assert ups(ground) == 1
    assert converged(ground) == uncut(ground)


@pytest.mark.parametrize("ahead", [DAY, -DAY], ids=["ahead", "behind"])
def test_a_clock_that_is_a_day_wrong_changes_nothing_in_the_end(ground: Ground, ahead: int) -> None:
    def set_clock() -> None:
        await_running(ground, MASTER, threading.Event())
        ground.cut_power(MASTER)
        xml = ET.fromstring(ground.host.virsh("dumpxml", "--inactive", MASTER))
        for clock in xml.findall("clock"):
            xml.remove(clock)
        ET.SubElement(xml, "clock", offset="variable", adjustment=str(ahead), basis="utc")
        file = ground.folder / "clock.xml"
        file.write_text(ET.tostring(xml, encoding="unicode"))
        ground.host.virsh("define", str(file))
        ground.give_power(MASTER)
        ground.say(f"the clock of {MASTER} is wrong by {ahead} s")

    thread = threading.Thread(target=set_clock, daemon=True)
    thread.start()
    ups(ground)
    thread.join()
    assert converged(ground) == uncut(ground)
