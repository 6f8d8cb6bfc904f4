"""Which second of the machines' birth went where: told by the engine, systemd and the journal."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ampere_infra.bootstrap import gates
from ampere_infra.rehearsal.events import UNCHANGED, name_of, type_chain
from tests.ground.picture import Bar, Tick, svg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ampere_infra.rehearsal.events import Events
    from tests.ground.ground import Ground

UNITS = {
    "cloud-init-local.service": "cloud-init: network",
    "cloud-init-network.service": "cloud-init: files, keys",
    "cloud-config.service": "cloud-init: packages' sources",
    "cloud-final.service": "cloud-init: start of the units",
    "ampere-os-ready.service": "OS_READY",
    "ampere-data-disk.service": "data disk",
    "ampere-packages.service": "packages",
    "kubeadm-init.service": "kubeadm init",
    "kubeadm-api-stable.service": "API_STABLE",
    "kubeadm-write-join.service": "cluster-info",
    "kubeadm-join.service": "kubeadm join",
}
"""Each unit that takes a machine further, and what the picture calls it."""

ENGINE = "engine"
"""Whose the bars of the engine's steps are."""
BRIEF = 2
"""Seconds: the engine tells whole ones, and a step that takes less is no bar."""
DRAWN = 10
"""Seconds: what the engine does in less is told, and not drawn."""
GATES = (gates.OS_READY, gates.CONTROL_PLANE_CREATED, gates.API_STABLE, gates.NODE_JOINED)
WAITS = ("-host-key", *(f"-{gate.marker.lower().replace('_', '-')}" for gate in GATES))
"""How the names of those steps end that only wait for what a machine does."""
SLACK = 3.0
"""So late, in seconds, the engine may know that a step has ended which a machine went on from."""
FOLDER = "AMPERE_TIMELINE"
"""The environment variable that names the folder for pictures."""

_SHOW = (
    "printf 'now %s %s\\n' \"$(date +%s.%N)\" \"$(cut -d' ' -f1 /proc/uptime)\";"
    " systemctl show --property=UserspaceTimestampMonotonic;"
    " systemctl show --property=Id,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic "
)
_JOURNAL = (
    "sudo -n journalctl --boot --no-pager --output=short-unix --unit='ampere-*' --unit='kubeadm-*'"
    " | grep -E ': [A-Z_]+ at [0-9TZ:-]+$'"
)
_EARNED = re.compile(r"^(\d+\.\d+) .*: ([A-Z_]+) at (\S+)$", re.MULTILINE)


@dataclass
class Timeline:
    """What happened while one ``up`` ran."""

    began: float = field(default_factory=time.time)
    """When ``up`` began, in seconds since 1970."""
    bars: list[Bar] = field(default_factory=list[Bar])
    ticks: list[Tick] = field(default_factory=list[Tick])

    def follow(self, events: Events) -> None:
        """Add the steps of the engine."""
        self.bars += steps(events.raw, self.began)

    def look(self, ground: Ground, machine: str) -> None:
        """Add what ``machine`` knows of its boot, of its units and of its markers."""
        told = ground.on(machine, _SHOW + " ".join(UNITS)).stdout
        self.bars += boot(machine, told, self.began)
        journal = ground.on(machine, _JOURNAL, check=False).stdout
        earned = markers(ground.markers(machine), journal)
        self.ticks += [Tick(machine, name, at - self.began) for name, at in earned.items()]

    def show(self, say: Callable[[str], None], name: str, title: str) -> None:
        """Tell a person all of it, and draw it as the file ``name`` where that is asked for."""
        for line in (*self.lines(), "the critical path:", *map(str, self.critical_path())):
            say(line)
        if folder := os.environ.get(FOLDER):
            bars = [b for b in self.bars if b.machine != ENGINE or b.seconds >= DRAWN]
            picture = svg(title, bars, self.ticks)
            Path(folder, name).write_text(picture, encoding="utf-8")

    def lines(self) -> list[str]:
        """Return all of it as text, machine by machine."""
        told = [*self.bars, *self.ticks]
        return [str(one) for one in sorted(told, key=lambda one: (one.machine, one.begin))]

    def critical_path(self) -> list[Bar]:
        """Return what led to the last thing that a machine did, each after the one before.

        What only waits explains nothing, so it is left out.
        """
        known = [bar for bar in self.bars if not bar.what.endswith(WAITS)]
        path = [max((bar for bar in known if bar.machine != ENGINE), key=lambda bar: bar.end)]
        while before := [
            bar for bar in known if bar.end <= path[0].begin + SLACK and bar.begin < path[0].begin
        ]:
            path.insert(0, max(before, key=lambda bar: bar.end))
        return path

    def taken(self, master: str, worker: str) -> tuple[float, float]:
        """Return how long it took until ``worker`` was a node, and what that cannot do without.

        Both in seconds since ``master`` was switched on; the latter are its boot, its packages,
        ``kubeadm init`` and ``kubeadm join``, each by itself.
        """
        on, ready = self._bar(master, "kernel").begin, self._bar(master, "OS_READY").end
        alone = [self._bar(master, what).seconds for what in ("packages", "kubeadm init")]
        join = self._bar(worker, "kubeadm join")
        return join.end - on, ready - on + sum(alone) + join.seconds

    def _bar(self, machine: str, what: str) -> Bar:
        return next(bar for bar in self.bars if (bar.machine, bar.what) == (machine, what))


def steps(raw: Iterable[str], began: float) -> list[Bar]:
    """Return the bars of the engine's steps, from its events as it sent them."""
    begun: dict[str, float] = {}
    found: list[Bar] = []
    for event in map(json.loads, raw):
        at = float(event["timestamp"]) - began
        if body := event.get("resourcePreEvent"):
            begun[body["metadata"]["urn"]] = at
        elif body := event.get("resOutputsEvent") or event.get("resOpFailedEvent"):
            begin = begun.get(body["metadata"]["urn"], at)
            if _is_work(body["metadata"]) and at - begin >= BRIEF:
                found.append(Bar(ENGINE, name_of(body["metadata"]["urn"]), begin, at))
    return found


def _is_work(metadata: Mapping[str, Any]) -> bool:
    """Whether a step changes something by itself: a component lasts as long as what it owns."""
    kind = type_chain(metadata["urn"]).rpartition("$")[2]
    return metadata["op"] not in UNCHANGED and not kind.startswith(("ampere:", "pulumi:"))


def boot(machine: str, told: str, began: float) -> list[Bar]:
    """Return the bars of a machine's boot, from what its systemd told."""
    first, *lines = told.splitlines()
    _, now, up = first.split()
    on = float(now) - float(up) - began
    values = [line.partition("=")[::2] for line in lines if "=" in line]
    userspace = on + _seconds(values[0][1])
    units = [
        Bar(machine, UNITS[identity], on + _seconds(begin), on + _seconds(end))
        for identity, begin, end in zip(*[_of(values, key) for key in _KEYS], strict=True)
        if _seconds(end) > 0
    ]
    first_unit = min((bar.begin for bar in units), default=userspace)
    kernel, system = (on, userspace), (userspace, first_unit)
    return [Bar(machine, "kernel", *kernel), Bar(machine, "system", *system), *units]


def markers(earned: Mapping[str, str], journal: str) -> dict[str, float]:
    """Return when each marker was earned, in seconds since 1970.

    A marker tells whole seconds; the journal's line about it, if it is still there, parts of them.
    """
    exact = {(name, told): float(at) for at, name, told in _EARNED.findall(journal)}
    return {
        name: exact.get((name, told), datetime.fromisoformat(told).timestamp())
        for name, told in earned.items()
    }


_KEYS = ("Id", "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")


def _of(values: Sequence[tuple[str, ...]], key: str) -> list[str]:
    return [value for name, value in values if name == key]


def _seconds(microseconds: str) -> float:
    return int(microseconds) / 1e6
