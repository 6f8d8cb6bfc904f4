"""Which second of a machine's birth went where: read from its systemd, drawn as a picture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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

FOLDER = "AMPERE_TIMELINE"
"""The environment variable that names the folder for pictures."""

_SHOW = (
    "printf 'now %s %s\\n' \"$(date +%s.%N)\" \"$(cut -d' ' -f1 /proc/uptime)\";"
    " systemctl show --property=UserspaceTimestampMonotonic;"
    " systemctl show --property=Id,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic "
)
_ROW, _LEFT, _WIDTH, _TOP = 18, 280, 720, 46
_COLOURS = ("#4878a8", "#58a06c", "#c08040", "#9060a0")


@dataclass(frozen=True)
class Span:
    """A bar of the picture; its ends are seconds since ``up`` began."""

    machine: str
    what: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


@dataclass
class Timeline:
    """What happened on the machines while one ``up`` ran."""

    began: float = field(default_factory=time.time)
    """When ``up`` began, in seconds since 1970."""
    spans: list[Span] = field(default_factory=list[Span])

    def look(self, ground: Ground, machine: str) -> None:
        """Add what the systemd of ``machine`` knows of its units, and of the boot before them."""
        told = ground.on(machine, _SHOW + " ".join(UNITS)).stdout.splitlines()
        _, now, up = told[0].split()
        boot = float(now) - float(up) - self.began
        values = [line.partition("=")[::2] for line in told if "=" in line]
        self.spans.append(Span(machine, "kernel", boot, boot + _seconds(values[0][1])))
        for identity, begin, end in zip(*[_of(values, key) for key in _KEYS], strict=True):
            if _seconds(end) > 0:
                first, last = boot + _seconds(begin), boot + _seconds(end)
                self.spans.append(Span(machine, UNITS[identity], first, last))

    def show(self, say: Callable[[str], None], name: str, title: str) -> None:
        """Tell a person the bars, and draw them as the file ``name`` where that is asked for."""
        for line in self.lines():
            say(line)
        if folder := os.environ.get(FOLDER):
            Path(folder, name).write_text(self.svg(title), encoding="utf-8")

    def lines(self) -> list[str]:
        """Return the bars as text, the earliest first."""
        ordered = sorted(self.spans, key=lambda span: (span.machine, span.begin))
        return [
            f"{s.machine:16} {s.what:32} {s.begin:7.1f} .. {s.end:7.1f}  {s.seconds:6.1f} s"
            for s in ordered
        ]

    def svg(self, title: str) -> str:
        """Return the picture."""
        spans = sorted(self.spans, key=lambda span: (span.machine, span.begin))
        last = max(span.end for span in spans)
        machines = sorted({span.machine for span in spans})
        height = _TOP + _ROW * len(spans) + 30
        rows = [_bar(span, row, last, machines) for row, span in enumerate(spans)]
        frame = f'width="{_LEFT + _WIDTH + 70}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {frame} font-family="sans-serif"'
        lines = [
            f'{head} font-size="11">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="10" y="20" font-size="14">{escape(title)}</text>',
            *_scale(last, height),
            *rows,
            "</svg>",
        ]
        return "".join(f"{line}\n" for line in lines)


_KEYS = ("Id", "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")


def _of(values: Sequence[tuple[str, ...]], key: str) -> list[str]:
    return [value for name, value in values if name == key]


def _seconds(microseconds: str) -> float:
    return int(microseconds) / 1e6


def _at(second: float, last: float) -> float:
    return _LEFT + _WIDTH * second / last


def _scale(last: float, height: float) -> Iterable[str]:
    step = next(s for s in (10, 30, 60, 120, 300, 600) if last / s < 16)
    for second in range(0, int(last) + 1, step):
        x = _at(second, last)
        yield f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{height - 24}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{second} s</text>'


def _bar(span: Span, row: int, last: float, machines: Sequence[str]) -> str:
    y, x = _TOP + _ROW * row, _at(span.begin, last)
    width = max(1.0, _at(span.end, last) - x)
    colour = _COLOURS[machines.index(span.machine) % len(_COLOURS)]
    name = f"{span.machine}: {span.what}"
    return (
        f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" fill="{colour}"/>'
        f'<text x="{x + width + 4:.1f}" y="{y + 12}">{span.seconds:.0f} s</text>'
    )
