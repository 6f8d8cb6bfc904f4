"""How the time of a preview grows with the number of workers, and whose time it is.

    uv run python benchmarks/growth.py [--workers 1 3 30 100] [--json]

Times are seconds of this machine and this run; compare them with each other only.

preview   from the engine's start to its end, with nothing in the state yet
bare      the same for as many resources that are nothing but themselves: the engine's share
program   what the program's thread spent on a processor, Pulumi's Python SDK included
declared  the part of it until everything was declared: our constructors, and the SDK's
rendered  our files alone, from settings to NoCloud images, without Pulumi
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

import pulumi
import pulumi_random as random
import yaml

from ampere_infra.bootstrap.netplan import network_config
from ampere_infra.bootstrap.spec import NodeSpec, Role
from ampere_infra.bootstrap.user_data import user_data
from ampere_infra.machines.seed import meta_data, nocloud_image
from ampere_infra.program import await_outputs
from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.stage import Stage, real_program, staged
from ampere_infra.secrets import sops
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.stacks import home_specs as specs

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
    bare: float
    program: float
    declared: float
    rendered: float


TIMES = ("preview", "bare", "program", "declared", "rendered")


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
        pulumi.run(await_outputs)

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
        preview=statistics.median(run.seconds for run in runs),
        bare=statistics.median(run.seconds for run in bare),
        program=statistics.median(run.program_seconds for run in runs),
        declared=statistics.median(run.declaring_seconds for run in runs),
        rendered=statistics.median(_rendering_seconds(count) for _ in range(REPEAT)),
    )


def _rendering_seconds(count: int) -> float:
    settings = parse("home", with_workers(count))
    began = time.process_time()
    cluster = specs.cluster(settings)
    for worker in settings.workers.machines:
        nic = specs.worker_machine(settings, worker).nic
        node = NodeSpec(worker.name, Role.WORKER, worker.address, "/dev/vdc")
        born = user_data(cluster, node, "ssh-ed25519 AAAA", f"sha256:{'0' * 64}")
        nocloud_image(born.text, network_config(nic), meta_data(worker.name, born.identity))
    return time.process_time() - began


def warm(name: str, program: Callable[[], None]) -> Warm:
    """Measure a preview of a stack that is up already."""
    with stage(3, program) as found:
        _must([found.engine.up()])
        runs: list[Outcome] = []
        for _ in range(2 * REPEAT):
            sops.forget()
            runs.append(found.engine.preview())
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


def growth(a: Size, b: Size) -> dict[str, float]:
    """Return what each worker more costs between two sizes, in milliseconds.

    A quadratic part shows as a number that grows with the size.
    """
    more = b.workers - a.workers
    return {name: 1000 * (getattr(b, name) - getattr(a, name)) / more for name in TIMES}


def tell(sizes: list[Size], warms: dict[str, Warm]) -> str:
    """Put the measurements into tables."""
    heads = "".join(f"{name:>10}" for name in TIMES)
    lines = [f"workers  resources{heads}  seconds"]
    for size in sizes:
        times = "".join(f"{getattr(size, name):10.2f}" for name in TIMES)
        lines.append(f"{size.workers:7}  {size.resources:9}{times}")
    lines += ["", f"a worker more     {heads}  milliseconds"]
    for a, b in pairwise(sizes):
        times = "".join(f"{value:10.1f}" for value in growth(a, b).values())
        lines.append(f"{f'{a.workers} -> {b.workers}':18}{times}")
    lines += ["", "nothing to do       import   preview  together  seconds"]
    for name, found in warms.items():
        lines.append(f"{name:16}{found.imports:10.2f}{found.preview:10.2f}{found.whole:10.2f}")
    empty, home = warms["empty"], warms["home"]
    ratios = (home.imports / empty.imports, home.preview / empty.preview, home.whole / empty.whole)
    lines.append(f"{'home / empty':16}" + "".join(f"{ratio:10.2f}" for ratio in ratios))
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
