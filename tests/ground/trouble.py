"""What goes wrong in a home: power cuts at moments drawn from a seed, a network that is away."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

PATIENCE = 300.0
"""Seconds to wait for a stage, which may have been passed already; then it comes anyway."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNIT = re.compile(
    r"(Starting|Finished|Failed to start) ((?:cloud-|kubeadm-|ampere-(?!converge))[\w-]+)"
)


@dataclass(frozen=True)
class Cut:
    """One power cut."""

    machine: str
    during: str
    """What its console said last of the boot or the bootstrap."""


@dataclass
class Trouble:
    """Takes power or network from machines in stages that their consoles tell of."""

    ground: Ground
    seed: int
    """What the moments of power cuts are drawn from."""
    cuts: list[Cut] = field(default_factory=list[Cut])
    _said: dict[str, int] = field(default_factory=dict[str, int])
    """How much each console had said when its machine was switched on."""

    def cut_power(self, machine: str, stage: str, seconds: float, times: int) -> None:
        """Cut a machine's power so often, each within ``seconds`` of ``stage``; give it back."""
        chance = random.Random(f"{self.seed} {machine} {stage}")
        for _ in range(times):
            self._await(machine, stage)
            time.sleep(chance.uniform(0, seconds))
            during = last_stage(self._new(machine))
            self.ground.host.virsh("destroy", machine, check=False)
            self._said[machine] = len(spoken(self.ground, machine))
            self.ground.host.virsh("start", machine, check=False)
            self.cuts.append(Cut(machine, during))
            self.ground.say(f"power cut {len(self.cuts)}: {machine}, {during}")

    def unplug(self, machine: str, stage: str, seconds: float) -> None:
        """Pull a machine's network cable for so long once it is in ``stage``."""
        self._await(machine, stage)
        self.ground.say(f"{machine} is without its network: {last_stage(self._new(machine))}")
        link = link_of(self.ground, machine)
        self.ground.host.run("ip", "link", "set", link, "down")
        time.sleep(seconds)
        self.ground.host.run("ip", "link", "set", link, "up")

    def _await(self, machine: str, stage: str) -> None:
        """Wait for a stage; one that has been passed does not come again, and is not waited for."""
        end = time.monotonic() + PATIENCE
        while stage not in self._new(machine) and time.monotonic() < end:
            time.sleep(1)

    def _new(self, machine: str) -> str:
        return spoken(self.ground, machine)[self._said.get(machine, 0) :]


def await_running(ground: Ground, machine: str) -> None:
    """Wait until a machine runs."""

    def runs() -> bool:
        return machine in ground.host.virsh("list", "--name", check=False).split()

    await_true(runs, f"machine {machine}", 900)


def spoken(ground: Ground, machine: str) -> str:
    """Return what a machine's console said, without colours."""
    return _COLOUR.sub("", ground.console(machine))


def last_stage(console: str) -> str:
    """Return the last stage of the boot or of the bootstrap that a console tells of."""
    found = _UNIT.findall(console)
    return " ".join(found[-1]) if found else "the kernel's boot"


def link_of(ground: Ground, machine: str) -> str:
    """Return the host's end of a machine's network cable."""
    listed = ground.host.virsh("domiflist", machine).split()
    return next(word for word in listed if word.startswith("vnet"))


def await_console(ground: Ground, machine: str, text: str, seconds: float = 3600) -> None:
    """Wait until a machine's console tells of ``text``."""
    await_true(lambda: text in spoken(ground, machine), f"{text} on {machine}", seconds)


def await_true(done: Callable[[], bool], what: str, seconds: float, pause: float = 1.0) -> None:
    """Wait until ``done``, looking every ``pause`` seconds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"no {what} within {seconds:.0f} s"
        time.sleep(pause)


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
