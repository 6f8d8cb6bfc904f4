"""What goes wrong in a home: power cuts at moments drawn from a seed, a network that is away."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.ground.rootfs import STAGES
from tests.waiting import await_true

if TYPE_CHECKING:
    from tests.ground.ground import Ground

BOOT = "Linux version"
"""What a console says first when its machine is switched on."""
STAGE_SECONDS = 1500.0
"""A machine that was switched on is in its next stage before that: an emulated one boots for some
minutes, and a command that the power cut ended is repeated by the next ``up``."""
POLL_SECONDS = 0.5
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNIT = re.compile(
    r"(Starting|Finished|Failed to start) "
    r"((?:cloud-|kubeadm-(?!token)|ampere-(?!converge))[\w-]+)\.service"
)
_TAIL = 1500


@dataclass(frozen=True)
class Moment:
    """When a machine lost its power or its network."""

    machine: str
    during: tuple[str, ...]
    """The units that were at work."""

    def __str__(self) -> str:
        return f"{self.machine}, {' and '.join(self.during) or 'no unit of ours at work'}"


@dataclass
class Trouble:
    """Takes power or network from machines in stages that their consoles tell of."""

    ground: Ground
    seed: int
    """What the moments of power cuts are drawn from."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set where there is no use in going on."""
    pace: float = 1.0
    """How long a stage takes here, compared with an emulated machine."""
    cuts: list[Moment] = field(default_factory=list[Moment])
    unplugs: list[Moment] = field(default_factory=list[Moment])
    set_at: dict[str, float] = field(default_factory=dict[str, float])
    """When each machine was switched on with a wrong clock, in seconds since 1970."""
    _said: dict[str, int] = field(default_factory=dict[str, int])
    """How much each console had said when its machine was switched on."""

    def cut_power(self, machine: str, stage: str, seconds: float, times: int) -> None:
        """Cut a machine's power so often, each within ``seconds`` of ``stage``; give it back."""
        chance = random.Random(f"{self.seed} {machine} {stage}")
        for _ in range(times):
            self.await_stage(machine, stage)
            self._sleep(chance.uniform(0, seconds * self.pace))
            during = at_work(self._new(machine))
            self.ground.host.virsh("destroy", machine, check=False)
            self._switch_on(machine)
            self.cuts.append(Moment(machine, during))
            self.ground.say(f"power cut {len(self.cuts)}: {self.cuts[-1]}")

    def unplug(self, machine: str, stage: str, seconds: float) -> None:
        """Pull a machine's network cable for so long once it is in ``stage``."""
        self.await_stage(machine, stage)
        self.unplugs.append(Moment(machine, at_work(self._new(machine))))
        self.ground.say(f"without its network: {self.unplugs[-1]}")
        link = link_of(self.ground, machine)
        self.ground.host.run("ip", "link", "set", link, "down")
        self._sleep(seconds)
        self.ground.host.run("ip", "link", "set", link, "up")

    def set_clock(self, machine: str, seconds: int) -> None:
        """Start a machine anew with a clock that is wrong by so many seconds."""
        xml = ET.fromstring(self.ground.host.virsh("dumpxml", "--inactive", machine))
        for clock in xml.findall("clock"):
            xml.remove(clock)
        ET.SubElement(xml, "clock", offset="variable", adjustment=str(seconds), basis="utc")
        file = self.ground.folder / f"{machine}.xml"
        file.write_text(ET.tostring(xml, encoding="unicode"))
        self.ground.cut_power(machine)
        self.ground.host.virsh("define", str(file))
        self.set_at[machine] = time.time()
        self._switch_on(machine)
        self.ground.say(f"the clock of {machine} is wrong by {seconds} s")

    def await_stage(self, machine: str, stage: str) -> None:
        """Wait until a machine is in ``stage``; one that it has passed does not come again.

        Raises:
            AssertionError: It never comes, or there is no use in going on.
        """
        end = time.monotonic() + STAGE_SECONDS
        while not self._is_in(machine, stage):
            if passed(spoken(self.ground, machine), stage):
                self.ground.say(f"{machine} has passed {stage}")
                return
            assert time.monotonic() < end, (
                f"{machine} was not in {stage} within {STAGE_SECONDS:.0f} s; its console ends with"
                f"\n{self._new(machine)[-_TAIL:]}"
            )
            self._sleep(POLL_SECONDS)

    def _is_in(self, machine: str, stage: str) -> bool:
        new = self._new(machine)
        return stage in new if stage == BOOT else stage in at_work(new)

    def _switch_on(self, machine: str) -> None:
        self._said[machine] = len(spoken(self.ground, machine))
        self.ground.host.virsh("start", machine, check=False)

    def _new(self, machine: str) -> str:
        return spoken(self.ground, machine)[self._said.get(machine, 0) :]

    def _sleep(self, seconds: float) -> None:
        assert not self.stop.wait(seconds), "something else has failed"


def await_boot(ground: Ground, machine: str) -> None:
    """Wait until a machine boots.

    libvirt lists it while it is still being started: who destroys it then makes the provider's
    create fail, and the next ``up`` makes another.
    """
    await_true(lambda: BOOT in spoken(ground, machine), f"boot of {machine}", 900)


def spoken(ground: Ground, machine: str) -> str:
    """Return what a machine's console said, without colours."""
    return _COLOUR.sub("", ground.console(machine))


def at_work(console: str) -> tuple[str, ...]:
    """Return the units of the boot and the bootstrap that have begun and not ended."""
    last = {unit: verb for verb, unit in _UNIT.findall(console)}
    return tuple(unit for unit, verb in last.items() if verb == "Starting")


def passed(console: str, stage: str) -> bool:
    """Whether a console tells that ``stage`` is done: itself, or by what has to wait for it."""
    told = set(_UNIT.findall(console))
    later = STAGES[STAGES.index(stage) + 1 :] if stage in STAGES else ()
    return ("Finished", stage) in told or any(unit in later for _, unit in told)


def link_of(ground: Ground, machine: str) -> str:
    """Return the host's end of a machine's network cable."""
    listed = ground.host.virsh("domiflist", machine).split()
    return next(word for word in listed if word.startswith("vnet"))


def clocks(console: str) -> list[float]:
    """Return what a machine's hardware clock told each of its boots, in seconds since 1970."""
    return [
        float(told) for told in re.findall(r"setting system clock to \S+ UTC \((\d+)\)", console)
    ]
