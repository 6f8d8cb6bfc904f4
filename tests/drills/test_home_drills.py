"""What happens in a home, to the home stack while it is made and while it lives.

Run by hand: ``make drills``; ``AMPERE_SEED`` repeats the moments of a run's power cuts. The tests
are one story on one proving ground, in their order.
"""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.leftovers import made_on
from tests.ground.state import await_nodes, await_ssh, expected, settled
from tests.ground.trouble import (
    Trouble,
    await_console,
    await_running,
    await_true,
    set_clock,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

SEED = int(os.environ.get("AMPERE_SEED") or random.randrange(1 << 32))
TRIES = 40
"""So often ``up`` is run again: a command that is cut off half-way fails, as it does at home."""
CUTS = 20
MINUTE = 60.0
DAY = 86400
FULL = f"{WORKER}: NODE_JOINED will not come before somebody changes this"


@dataclass
class Story:
    """A cluster that was made in spite of everything."""

    ground: Ground
    trouble: Trouble
    errors: list[str] = field(default_factory=list[str])
    """What ``up`` said each time that it failed."""
    room: threading.Event = field(default_factory=threading.Event)
    """Set when the worker's disk is no longer full."""

    def master(self) -> None:
        """What happens to the control plane, in the order of its stages."""
        ground, trouble = self.ground, self.trouble
        await_running(ground, MASTER)
        set_clock(ground, MASTER, -DAY)
        trouble.unplug(MASTER, "Starting ampere-os-ready.", MINUTE)
        trouble.cut_power(MASTER, "Linux version", 90, 3)
        await_console(ground, MASTER, "Failed to start ampere-packages.")
        ground.say("the mirror is back")
        ground.start_mirror()
        trouble.cut_power(MASTER, "Starting ampere-packages.", 30, 2)
        trouble.cut_power(MASTER, "Starting kubeadm-init.", 90, 4)
        trouble.unplug(MASTER, "Starting kubeadm-init.", MINUTE)
        trouble.cut_power(MASTER, "Starting kubeadm-api-stable.", 20, 1)
        trouble.unplug(MASTER, "Finished kubeadm-api-stable.", MINUTE)

    def worker(self) -> None:
        """What happens to the worker, in the order of its stages."""
        ground, trouble = self.ground, self.trouble
        await_running(ground, WORKER)
        set_clock(ground, WORKER, DAY)
        trouble.unplug(WORKER, "Starting ampere-os-ready.", MINUTE)
        trouble.cut_power(WORKER, "Linux version", 90, 3)
        self._fill()
        self.room.wait()
        trouble.cut_power(WORKER, "Starting ampere-packages.", 30, 3)
        trouble.unplug(WORKER, "Starting ampere-packages.", MINUTE)
        trouble.cut_power(WORKER, "Starting kubeadm-join.", 30, 4)
        trouble.unplug(WORKER, "Starting kubeadm-join.", MINUTE)

    def _fill(self) -> None:
        await_true(lambda: self.ground.knows(WORKER), f"the host key of {WORKER}", 1800)
        await_ssh(self.ground, WORKER)
        left = "$(($(df --output=avail -B1 / | tail -1) - 500000000))"
        self.ground.on(WORKER, f"sudo fallocate -l {left} /var/tmp/filler")
        self.ground.say(f"the disk of {WORKER} is full")

    def empty(self) -> None:
        """Do what the gate's message asks for."""
        await_ssh(self.ground, WORKER)
        self.ground.on(WORKER, "sudo rm -f /var/tmp/filler")
        self.ground.say(f"the disk of {WORKER} has room again")
        self.room.set()

    def up(self) -> int:
        """Run ``up`` until it succeeds, and do what it says; return how often it was run."""
        for number in range(1, TRIES + 1):
            outcome = self.ground.up()
            if outcome.ok:
                return number
            said = "\n".join(outcome.errors)
            self.errors.append(said)
            self.ground.say(f"up {number}: {said[:300]}")
            if FULL in said:
                self.empty()
        raise AssertionError(f"{TRIES} runs of up were not enough")


@dataclass
class Meanwhile:
    """Something that is done beside the test; its failure is the test's."""

    work: Callable[[], None]
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def start(self) -> threading.Thread:
        """Begin."""
        thread = threading.Thread(target=self._guarded, daemon=True)
        thread.start()
        return thread

    def _guarded(self) -> None:
        try:
            self.work()
        except BaseException as failure:  # noqa: BLE001 - raised again where it is seen
            self.failures.append(failure)


@pytest.fixture(scope="module")
def before(ground: Ground) -> dict[str, str]:
    """What the host had before anything was made on it."""
    return made_on(ground.host)


@pytest.fixture(scope="module")
def born(ground: Ground, before: dict[str, str]) -> Story:
    """A cluster that was made while the worst happened."""
    ground.say(f"AMPERE_SEED={SEED}")
    story = Story(ground, Trouble(ground, SEED))
    ground.stop_mirror()
    beside = [Meanwhile(story.master), Meanwhile(story.worker)]
    threads = [work.start() for work in beside]
    runs = story.up()
    for thread in threads:
        thread.join()
    for work in beside:
        for failure in work.failures:
            raise failure
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    runs += story.up()
    ground.say(f"{len(story.trouble.cuts)} power cuts, {runs} runs of up")
    return story


def test_power_cuts_and_lost_networks_change_nothing_in_the_end(
    ground: Ground, born: Story
) -> None:
    assert len(born.trouble.cuts) >= CUTS, born.trouble.cuts
    await_nodes(ground, MASTER, WORKER)
    assert settled(ground) == expected()


def test_a_full_disk_is_said_by_the_gate_and_not_waited_for(born: Story) -> None:
    (said,) = [error for error in born.errors if FULL in error]
    assert "the disk is full: / has " in said


def test_nothing_is_left_to_do(ground: Ground, born: Story) -> None:
    again = ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def test_a_reboot_of_all_machines_brings_the_cluster_back(ground: Ground, born: Story) -> None:
    for machine in ADDRESSES:
        ground.on(machine, "sudo systemctl reboot", check=False)
    time.sleep(20)
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0


def test_the_address_stays_where_the_order_of_interfaces_changes(
    ground: Ground, born: Story
) -> None:
    xml = ET.fromstring(ground.host.virsh("dumpxml", "--inactive", WORKER))
    devices = xml.find("devices")
    assert devices is not None
    own = devices.find("interface")
    assert own is not None
    stranger = ET.fromstring(
        "<interface type='network'><source network='ground'/><model type='virtio'/></interface>"
    )
    devices.insert(list(devices).index(own), stranger)
    for address in devices.iter("address"):
        if address.get("type") == "pci":
            address.attrib.clear()
            address.set("type", "pci")
    file = ground.folder / "swapped.xml"
    file.write_text(ET.tostring(xml, encoding="unicode"))
    original = ground.folder / "original.xml"
    original.write_text(ground.host.virsh("dumpxml", "--inactive", WORKER))
    ground.cut_power(WORKER)
    ground.host.virsh("define", str(file))
    ground.give_power(WORKER)
    await_ssh(ground, WORKER)
    told = ground.on(WORKER, "ip -brief address show").stdout
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert ADDRESSES[WORKER] in lines["lan0"], told
    assert len(lines) >= 3, "the stranger is there, and has another name"
    ground.cut_power(WORKER)
    ground.host.virsh("define", str(original))
    ground.give_power(WORKER)
    await_ssh(ground, WORKER)


def test_a_worker_that_was_destroyed_joins_again_under_its_name(
    ground: Ground, born: Story
) -> None:
    before = ground.host.virsh("domuuid", WORKER)
    ground.cut_power(WORKER)
    ground.host.virsh("undefine", WORKER)
    outcome = ground.stage.engine.up("--refresh", on_step=ground.tell)
    assert outcome.ok, "\n".join(outcome.errors)
    assert ground.host.virsh("domuuid", WORKER) != before, "it is another machine"
    await_nodes(ground, MASTER, WORKER)


def test_nothing_is_left_on_the_host_after_destroy(
    ground: Ground, born: Story, before: dict[str, str]
) -> None:
    ground.stage.engine.unprotect()
    gone = ground.stage.engine.destroy(on_step=ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert made_on(ground.host) == before
