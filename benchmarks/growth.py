"""How the time of a preview grows with the number of workers, and whose time it is.

    uv run python benchmarks/growth.py [--workers 1 3 30 100] [--json]

Times are of this machine and this run; compare them with each other only. ``program`` is what the
program's own thread spent on a processor, Pulumi's Python SDK included; ``bare`` is the same
number of resources without anything around them, so it is the engine's and the SDK's share.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi_random as random
import yaml

from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.stage import Stage, real_program, staged
from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ampere_infra.rehearsal.engine import Outcome

FIRST = IPv4Address("10.10.10.11")
REPEAT = 3
IMPORTS = {
    "empty": "import pulumi",
    "home": "import ampere_infra.program, ampere_infra.stacks.home",
}


@dataclass(frozen=True)
class Size:
    """A preview of ``home`` with so many workers, from nothing; seconds."""

    workers: int
    resources: int
    preview: float
    program: float
    bare: float
    """A preview of as many resources that depend on nothing."""

    @property
    def program_share(self) -> float:
        """The part of the preview that the program's thread was at work."""
        return self.program / self.preview


@dataclass(frozen=True)
class Warm:
    """A preview that finds nothing to do, after a fresh process imported the program; seconds."""

    imports: float
    preview: float

    @property
    def whole(self) -> float:
        """What a person waits for ``pulumi preview``."""
        return self.imports + self.preview


def empty_program() -> None:
    """Declare nothing."""


def bare_program(count: int) -> Callable[[], None]:
    """Return a program that declares ``count`` resources and nothing else."""

    def declare() -> None:
        for number in range(count):
            random.RandomId(f"bare-{number}", byte_length=8)

    return declare


def with_workers(count: int) -> dict[str, Any]:
    """Return the configuration of ``home`` with ``count`` workers like its first."""
    config: dict[str, Any] = read_stack_file(SOURCE / "Pulumi.home.yaml")
    config["ampere:services"]["postgresql"] = {"instances": 1}
    first = config["ampere:workers"]["machines"][0]
    config["ampere:workers"]["machines"] = [
        first | {"name": f"ampere-k8s-node{n + 1}", "address": str(FIRST + n)} for n in range(count)
    ]
    return config


@contextmanager
def stage(count: int, program: Callable[[], None]) -> Generator[Stage]:
    """Set a stage of its own for one program."""
    folder = Path(tempfile.mkdtemp(prefix="ampere-growth-"))
    try:
        file = folder / "Pulumi.home.yaml"
        file.write_text(yaml.safe_dump({"config": with_workers(count)}), encoding="utf-8")
        with staged(Project("home", file, folder / "run"), program=program) as found:
            found.engine.logs = None
            yield found
    finally:
        shutil.rmtree(folder)


def measured(count: int) -> Size:
    """Measure one number of workers."""
    with stage(count, real_program) as found:
        found.engine.preview()
        runs = [found.engine.preview() for _ in range(REPEAT)]
        _must(runs)
        resources = runs[0].events.counts["create"]
    with stage(1, bare_program(resources)) as found:
        bare = [found.engine.preview() for _ in range(REPEAT)]
        _must(bare)
    return Size(
        count,
        resources,
        statistics.median(run.seconds for run in runs),
        statistics.median(run.program_seconds for run in runs),
        statistics.median(run.seconds for run in bare),
    )


def warm(name: str, program: Callable[[], None]) -> Warm:
    """Measure a preview of a stack that is up already."""
    with stage(3, program) as found:
        _must([found.engine.up()])
        runs = [found.engine.preview() for _ in range(2 * REPEAT)]
        _must(runs)
    return Warm(
        statistics.median(_import_seconds(IMPORTS[name]) for _ in range(REPEAT)),
        statistics.median(run.seconds for run in runs[1:]),
    )


def _must(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if not outcome.ok:
            raise SystemExit(outcome.output)


def _import_seconds(statement: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=SOURCE)
    return time.monotonic() - began


def growth(sizes: list[Size]) -> list[tuple[str, float, float]]:
    """Return what each worker more costs between two sizes, in milliseconds: program, preview.

    A quadratic part would show as a number that grows with the size.
    """
    return [
        (
            f"{a.workers} -> {b.workers}",
            1000 * (b.program - a.program) / (b.workers - a.workers),
            1000 * (b.preview - a.preview) / (b.workers - a.workers),
        )
        for a, b in pairwise(sizes)
    ]


def tell(sizes: list[Size], warms: dict[str, Warm]) -> str:
    """Put the measurements into tables."""
    lines = ["workers  resources  preview s  program s  share  bare s  preview / bare"]
    lines += [
        f"{s.workers:7}  {s.resources:9}  {s.preview:9.2f}  {s.program:9.2f}  "
        f"{s.program_share:5.0%}  {s.bare:6.2f}  {s.preview / s.bare:14.2f}"
        for s in sizes
    ]
    lines += ["", "a worker more   program ms  preview ms"]
    lines += [f"{step:14}  {program:10.1f}  {all_:10.1f}" for step, program, all_ in growth(sizes)]
    lines += ["", "nothing to do   import s  preview s  together"]
    lines += [
        f"{n:14}  {w.imports:8.2f}  {w.preview:9.2f}  {w.whole:8.2f}" for n, w in warms.items()
    ]
    empty, home = warms["empty"], warms["home"]
    lines.append(
        f"home / empty    {home.imports / empty.imports:8.2f}  "
        f"{home.preview / empty.preview:9.2f}  {home.whole / empty.whole:8.2f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how a preview of home grows.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 3, 30, 100])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes = [measured(count) for count in sorted(arguments.workers)]
    warms = {"empty": warm("empty", empty_program), "home": warm("home", real_program)}
    if arguments.json:
        found = {
            "sizes": [asdict(s) for s in sizes],
            "warm": {n: asdict(w) for n, w in warms.items()},
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(tell(sizes, warms) + "\n")


if __name__ == "__main__":
    main()
