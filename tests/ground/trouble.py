"""What goes wrong in a home: power cuts at moments drawn from a seed, a network that is away."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.ground.home import MASTER, WORKER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

LONGEST = {MASTER: 420.0, WORKER: 300.0}
"""Seconds after its start within which a machine's power is cut, for the last time at the latest.

The first cuts come within a fraction of it: the early stages are short, and each cut sends a
machine back to its boot.
"""
_STAGE = re.compile(r"Start(?:ing|ed) .*?(?:Stage \d: [^.\x1b]*|[Cc]loud-[^.\x1b]*)")


@dataclass(frozen=True)
class Cut:
    """One power cut."""

    machine: str
    after: float
    """Seconds since the machine was switched on."""
    during: str
    """What its console said last."""


@dataclass
class PowerCuts:
    """Cuts the power of both machines, each by a clock of its own, and gives it back at once."""

    ground: Ground
    seed: int
    count: int
    """How many cuts of each machine."""
    cuts: list[Cut] = field(default_factory=list[Cut])
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> list[threading.Thread]:
        """Begin; the threads end when all cuts are done."""
        threads = [
            threading.Thread(target=self._haunt, args=(machine,), daemon=True)
            for machine in (MASTER, WORKER)
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Cut no more."""
        self._stop.set()

    def _haunt(self, machine: str) -> None:
        chance = random.Random(f"{self.seed}-{machine}")
        await_running(self.ground, machine)
        for number in range(1, self.count + 1):
            longest = LONGEST[machine] * number / self.count
            after = chance.uniform(longest / 3, longest)
            if self._stop.wait(after):
                return
            during = last_stage(self.ground.console(machine))
            self.ground.host.virsh("destroy", machine, check=False)
            self.ground.host.virsh("start", machine, check=False)
            self.cuts.append(Cut(machine, after, during))
            self.ground.say(f"power cut {number} of {machine} after {after:.0f} s: {during}")


def await_running(ground: Ground, machine: str) -> None:
    """Wait until a machine runs."""

    def runs() -> bool:
        return machine in ground.host.virsh("list", "--name", check=False).split()

    await_true(runs, f"machine {machine}", 900)


def last_stage(console: str) -> str:
    """Return the last stage of the boot or of the bootstrap that a console tells of."""
    found = _STAGE.findall(console[console.rfind("Linux version") :])
    return found[-1].partition(" ")[2] if found else "the kernel's boot"


def link_of(ground: Ground, machine: str) -> str:
    """Return the host's end of a machine's network cable."""
    listed = ground.host.virsh("domiflist", machine).split()
    return next(word for word in listed if word.startswith("vnet"))


def without_network(ground: Ground, machine: str, seconds: float) -> None:
    """Pull a machine's network cable for so long."""
    link = link_of(ground, machine)
    ground.host.run("ip", "link", "set", link, "down")
    time.sleep(seconds)
    ground.host.run("ip", "link", "set", link, "up")


def await_console(ground: Ground, machine: str, text: str, seconds: float = 3600) -> None:
    """Wait until a machine's console tells of ``text``."""
    await_true(lambda: text in ground.console(machine), f"{text} on {machine}", seconds)


def await_true(done: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until ``done``."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"no {what} within {seconds:.0f} s"
        time.sleep(1)


def set_clock(ground: Ground, machine: str, seconds: int) -> None:
    """Start a machine anew with a clock that is wrong by so many seconds."""
    xml = ET.fromstring(ground.host.virsh("dumpxml", "--inactive", machine))
    for clock in xml.findall("clock"):
        xml.remove(clock)
    ET.SubElement(xml, "clock", offset="variable", adjustment=str(seconds), basis="utc")
    file = ground.folder / f"{machine}.xml"
    file.write_text(ET.tostring(xml, encoding="unicode"))
    ground.cut_power(machine)
    ground.host.virsh("define", str(file))
    ground.give_power(machine)
    ground.say(f"the clock of {machine} is wrong by {seconds} s")
