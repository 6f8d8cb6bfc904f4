"""A picture of what took how long: bars and ticks below each other, over seconds."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROW, _LEFT, _WIDTH, _TOP = 18, 280, 720, 46
_COLOURS = ("#4878a8", "#58a06c", "#c08040", "#9060a0")


@dataclass(frozen=True)
class Bar:
    """Something that took a while; its ends are seconds since the picture's first."""

    machine: str
    what: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin

    def __str__(self) -> str:
        ends = f"{self.begin:7.1f} .. {self.end:7.1f}"
        return f"{self.machine:16} {self.what:40} {ends}  {self.seconds:6.1f} s"


@dataclass(frozen=True)
class Tick:
    """Something that was there from one moment on."""

    machine: str
    what: str
    begin: float

    def __str__(self) -> str:
        return f"{self.machine:16} {self.what:40} {self.begin:7.1f}"


def svg(title: str, bars: Iterable[Bar], ticks: Iterable[Tick]) -> str:
    """Return the picture: machine by machine, the earliest first."""
    rows = sorted([*bars, *ticks], key=lambda row: (row.machine, row.begin))
    last = max(row.end if isinstance(row, Bar) else row.begin for row in rows)
    machines = sorted({row.machine for row in rows})
    height = _TOP + _ROW * len(rows) + 30
    frame = f'width="{_LEFT + _WIDTH + 70}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {frame} font-family="sans-serif"'
    lines = [
        f'{head} font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{escape(title)}</text>',
        *_scale(last, height),
        *(_drawn(row, number, last, machines) for number, row in enumerate(rows)),
        "</svg>",
    ]
    return "".join(f"{line}\n" for line in lines)


def _at(second: float, last: float) -> float:
    return _LEFT + _WIDTH * second / last


def _scale(last: float, height: float) -> Iterable[str]:
    step = next(s for s in (10, 30, 60, 120, 300, 600) if last / s < 16 or s == 600)
    for second in range(0, int(last) + 1, step):
        x = _at(second, last)
        yield f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{height - 24}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{second} s</text>'


def _drawn(row: Bar | Tick, number: int, last: float, machines: Sequence[str]) -> str:
    y, x = _TOP + _ROW * number, _at(row.begin, last)
    colour = _COLOURS[machines.index(row.machine) % len(_COLOURS)]
    name = escape(f"{row.machine}: {row.what}")
    label = f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{name}</text>'
    if isinstance(row, Tick):
        mark = f'<path d="M{x:.1f} {y + 2}v{_ROW - 4}" stroke="{colour}" stroke-width="3"/>'
        return f'{label}{mark}<text x="{x + 6:.1f}" y="{y + 12}">at {row.begin:.0f} s</text>'
    width = max(1.0, _at(row.end, last) - x)
    size = f'width="{width:.1f}" height="{_ROW - 6}"'
    return (
        f'{label}<rect x="{x:.1f}" y="{y + 3}" {size} fill="{colour}"/>'
        f'<text x="{x + width + 4:.1f}" y="{y + 12}">{row.seconds:.0f} s</text>'
    )
