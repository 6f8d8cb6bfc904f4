"""What happens in a home, to the home stack while it is made and while it lives.

Run by hand: ``make drills``; ``AMPERE_SEED`` repeats the moments of a run's power cuts. The tests
are one story on one proving ground, in their order.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from ampere_infra.bootstrap.user_data import NETPLAN, NETWORK
from tests.ground.beside import Beside
from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.leftovers import made_on
from tests.ground.rootfs import STAGES
from tests.ground.state import await_nodes, await_ssh, expected, settled
from tests.ground.trouble import BOOT, Trouble, await_boot, clocks, spoken
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

SEED = int(os.environ.get("AMPERE_SEED") or random.randrange(1 << 32))
TRIES = 12
"""So often ``up`` is run again: a command that is cut off half-way fails, as it does at home."""
CUTS = 20
MINUTE = 60.0
DAY = 86400
LIMIT = 5400.0
"""Seconds for what waits for the whole control plane."""
BY_KVM = 0.1
"""How long a stage takes by KVM, compared with an emulated machine."""
OS_READY, PACKAGES, INIT, API_STABLE, JOIN = STAGES
FULL = f"{WORKER}: NODE_JOINED will not come before somebody changes this"
STRANGER = "52:54:00:5a:5a:5a"


@dataclass
class Story:
    """A cluster that was made in spite of everything."""

    ground: Ground
    trouble: Trouble
    beside: Beside
    errors: list[str] = field(default_factory=list[str])
    """What ``up`` said each time that it failed."""
    full: threading.Event = field(default_factory=threading.Event)
    """Set when the worker's disk is full."""
    room: threading.Event = field(default_factory=threading.Event)
    """Set when it is no longer."""

    def master(self) -> None:
        """What happens to the control plane, in the order of its stages."""
        trouble = self._begin(MASTER, -DAY)
        self._await(self._misses_its_mirror, "failure without a mirror")
        self._await(self.full.is_set, "full disk")
        self.ground.say("the mirror is back")
        self.ground.start_mirror()
        trouble.unplug(MASTER, PACKAGES, MINUTE)
        trouble.cut_power(MASTER, PACKAGES, 40, 2)
        trouble.unplug(MASTER, INIT, MINUTE)
        trouble.cut_power(MASTER, INIT, 100, 3)
        trouble.cut_power(MASTER, API_STABLE, 4, 1)
        trouble.unplug(MASTER, API_STABLE, MINUTE)

    def worker(self) -> None:
        """What happens to the worker, in the order of its stages."""
        trouble = self._begin(WORKER, DAY)
        self._fill()
        self._await(self.room.is_set, "room on the disk")
        trouble.unplug(WORKER, PACKAGES, MINUTE)
        trouble.cut_power(WORKER, PACKAGES, 40, 2)
        trouble.unplug(WORKER, JOIN, MINUTE)
        trouble.cut_power(WORKER, JOIN, 25, 3)

    def _begin(self, machine: str, seconds: int) -> Trouble:
        """What happens to each machine before it has a mirror; most cuts, for they cost least."""
        await_boot(self.ground, machine)
        self.trouble.set_clock(machine, seconds)
        self.trouble.cut_power(machine, BOOT, 80, 4)
        self.trouble.cut_power(machine, OS_READY, 4, 1)
        self.trouble.unplug(machine, OS_READY, MINUTE)
        return self.trouble

    def _misses_its_mirror(self) -> bool:
        return f"Failed to start {PACKAGES}.service" in spoken(self.ground, MASTER)

    def _await(self, done: Callable[[], bool], what: str) -> None:
        """Wait, but not for what will not come since something else has failed."""
        await_true(lambda: done() or self.trouble.stop.is_set(), what, LIMIT)
        assert done(), f"no {what}: something else has failed"

    def _fill(self) -> None:
        self._await(lambda: self.ground.knows(WORKER), f"host key of {WORKER}")
        await_ssh(self.ground, WORKER)
        left = "$(($(df --output=avail -B1 / | tail -1) - 500000000))"
        self.ground.on(WORKER, f"sudo fallocate -l {left} /var/tmp/filler && sync")
        self.ground.say(f"the disk of {WORKER} is full")
        self.full.set()

    def empty(self) -> None:
        """Do what the gate's message asks for."""
        await_ssh(self.ground, WORKER)
        self.ground.on(WORKER, "sudo rm -f /var/tmp/filler")
        self.ground.say(f"the disk of {WORKER} has room again")
        self.room.set()

    def up(self) -> int:
        """Run ``up`` until it succeeds, and do what it says; return how often it was run."""
        for number in range(1, TRIES + 1):
            self.beside.check()
            outcome = self.ground.up()
            self.beside.check()
            if outcome.ok:
                return number
            said = "\n".join(outcome.errors) or outcome.output[-2000:]
            self.errors.append(said)
            self.ground.say(f"up {number}: {said[:1000]}")
            if FULL in said:
                self.empty()
        raise AssertionError(f"{TRIES} runs of up were not enough:\n" + "\n\n".join(self.errors))


def story(ground: Ground) -> Story:
    """Return a story that ends with the first failure in it."""
    engine = ground.stage.engine

    def interrupt() -> None:
        engine.interrupt()
        time.sleep(MINUTE / 2)
        engine.interrupt()

    beside = Beside(interrupt)
    reality = ground.stage.world.reality
    pace = 1.0 if reality and reality.emulation else BY_KVM
    return Story(ground, Trouble(ground, SEED, beside.stop, pace), beside)


@pytest.fixture(scope="module")
def before(ground: Ground) -> dict[str, str]:
    """What the host had before anything was made on it."""
    return made_on(ground.host)


@pytest.fixture(scope="module")
def born(ground: Ground, before: dict[str, str]) -> Story:
    """A cluster that was made while the worst happened."""
    ground.say(f"AMPERE_SEED={SEED}")
    told = story(ground)
    ground.stop_mirror()
    for work in (told.master, told.worker):
        told.beside.start(work)
    runs = told.up()
    told.beside.finish(LIMIT)
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    runs += told.up()
    ground.say(f"{len(told.trouble.cuts)} power cuts, {runs} runs of up")
    return told


def test_power_cuts_and_lost_networks_change_nothing_in_the_end(
    ground: Ground, born: Story
) -> None:
    assert len(born.trouble.cuts) >= CUTS, born.trouble.cuts
    await_nodes(ground, MASTER, WORKER)
    assert settled(ground) == expected()


@pytest.mark.parametrize("what", ["cuts", "unplugs"])
def test_power_and_network_were_lost_in_every_stage(born: Story, what: str) -> None:
    moments = born.trouble.cuts if what == "cuts" else born.trouble.unplugs
    missed = set(STAGES).difference(*(moment.during for moment in moments))
    assert not missed, [str(moment) for moment in moments]


def test_machines_woke_up_with_a_wrong_clock_and_set_it(ground: Ground, born: Story) -> None:
    for machine, wrong in ((MASTER, -DAY), (WORKER, DAY)):
        woken = born.trouble.set_at[machine] + wrong
        told = clocks(spoken(ground, machine))
        assert any(abs(clock - woken) < 5 * MINUTE for clock in told), (machine, woken, told)
        earliest = time.time()
        says = float(ground.on(machine, "date +%s.%N").stdout)
        assert earliest - 5 < says < time.time() + 5, f"{machine}: {says - earliest:.1f} s off"


def test_a_full_disk_is_said_by_the_gate_and_not_waited_for(born: Story) -> None:
    (said,) = [error for error in born.errors if FULL in error]
    assert "the disk is full: / has " in said


def test_nothing_is_left_to_do(ground: Ground, born: Story) -> None:
    again = ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def test_a_machine_whose_network_never_reached_its_disk_finds_its_network_again(
    ground: Ground, born: Story
) -> None:
    ground.on(WORKER, f"sudo truncate --size=0 {NETPLAN} {NETWORK} && sync")
    ground.cut_power(WORKER)
    ground.give_power(WORKER)
    await_ssh(ground, WORKER)
    ground.on(WORKER, f"sudo test -s {NETPLAN} -a -s {NETWORK}")


def await_boot_id(ground: Ground, machine: str, old: str = "") -> str:
    """Return what is another at each boot, once a machine tells another than ``old``."""
    told = [old]

    def tells() -> bool:
        told.append(ground.on(machine, "cat /proc/sys/kernel/random/boot_id", check=False).stdout)
        return told[-1] not in {old, ""}

    await_true(tells, f"boot of {machine}", 900)
    return told[-1]


def test_a_reboot_of_all_machines_brings_the_cluster_back(ground: Ground, born: Story) -> None:
    before = {machine: await_boot_id(ground, machine) for machine in ADDRESSES}
    for machine in ADDRESSES:
        ground.on(machine, "sudo systemctl reboot", check=False)
    for machine, old in before.items():
        await_boot_id(ground, machine, old)
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0


def with_a_stranger(definition: str, *, first: bool) -> str:
    """Return a machine's definition with one more network card, before or behind its own."""
    xml = ET.fromstring(definition)
    devices = xml.find("devices")
    assert devices is not None
    own = devices.find("interface")
    assert own is not None
    stranger = ET.fromstring(
        f"<interface type='network'><mac address='{STRANGER}'/>"
        "<source network='ground'/><model type='virtio'/></interface>"
    )
    devices.insert(list(devices).index(own) + (0 if first else 1), stranger)
    for address in devices.iter("address"):
        if address.get("type") == "pci":
            address.attrib.clear()
            address.set("type", "pci")
    return ET.tostring(xml, encoding="unicode")


def define_anew(ground: Ground, machine: str, definition: str) -> None:
    """Switch a machine off, and on again as another definition has it."""
    file = ground.folder / "definition.xml"
    file.write_text(definition)
    ground.cut_power(machine)
    ground.host.virsh("define", str(file))
    ground.give_power(machine)
    await_ssh(ground, machine)


def test_the_address_stays_where_the_order_of_interfaces_changes(
    ground: Ground, born: Story
) -> None:
    original = ground.host.virsh("dumpxml", "--inactive", WORKER)
    own = ET.fromstring(original).find("devices/interface/mac")
    assert own is not None
    orders: list[list[str]] = []
    for first in (True, False):
        define_anew(ground, WORKER, with_a_stranger(original, first=first))
        links = json_of(ground, WORKER, "ip -json link show")
        cards = {link["address"]: link["ifname"] for link in links}
        assert cards[own.attrib["address"].lower()] == "lan0"
        assert STRANGER in cards, "the stranger is there, and has another name"
        orders.append([mac for mac in cards if mac in {STRANGER, own.attrib["address"].lower()}])
        told = json_of(ground, WORKER, "ip -json address show dev lan0")
        assert ADDRESSES[WORKER] in {at["local"] for at in told[0]["addr_info"]}
    assert orders[0] == orders[1][::-1], "the kernel has found them in another order"
    define_anew(ground, WORKER, original)
    await_nodes(ground, MASTER, WORKER)
    again = ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def json_of(ground: Ground, machine: str, command: str) -> Any:
    """Return what a machine tells as JSON."""
    return json.loads(ground.on(machine, command).stdout)


def node_uid(ground: Ground, name: str) -> str:
    """Return which of all nodes that ever had this name the cluster means."""
    return ground.kubectl("get", "node", name, "--output=jsonpath={.metadata.uid}")


def test_a_worker_that_was_lost_with_its_disk_joins_again_under_its_name(
    ground: Ground, born: Story
) -> None:
    before, node = ground.host.virsh("domuuid", WORKER), node_uid(ground, WORKER)
    joined = ground.markers(WORKER)["NODE_JOINED"]
    root = ground.recorded(f"{WORKER}-root")
    ground.cut_power(WORKER)
    ground.host.virsh("undefine", WORKER)
    ground.host.virsh("vol-delete", "--pool", root["pool"], root["name"])
    outcome = ground.stage.engine.up("--refresh", on_step=ground.tell)
    assert outcome.ok, "\n".join(outcome.errors)
    assert ground.host.virsh("domuuid", WORKER) != before, "it is another machine"
    await_nodes(ground, MASTER, WORKER)
    assert node_uid(ground, WORKER) != node, "it is another node"
    assert ground.markers(WORKER)["NODE_JOINED"] > joined


def test_nothing_is_left_on_the_host_after_destroy(
    ground: Ground, born: Story, before: dict[str, str]
) -> None:
    ground.stage.engine.unprotect()
    gone = ground.stage.engine.destroy(on_step=ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert made_on(ground.host) == before
