"""What opening its secrets adds to a preview of ``home``, and several files side by side.

    uv run python -m benchmarks.decryption [--files 1 2 4 8] [--json]

Times are seconds of this machine and this run; compare them with each other only.

opened    from the file to the checked secrets: sops found, its version looked at, run, its answer
preview   a preview that finds nothing to do, with that in it
whole     the same with the program's import, as a person waits for it
share     what part of the whole `opened` is

The vault is the tests' own, on loopback; one that is `far` answers each request 50 ms later.
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
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra import tools
from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.stage import environment, staged
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.model import generate
from tests.keyvault.server import Azure, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ampere_infra.rehearsal.engine import Outcome

REPEAT = 7
FAR_SECONDS = 0.05
KEYS = ("age", "vault", "far vault")


@dataclass(frozen=True)
class Preview:
    """A preview of a stack that is up already; seconds."""

    opened: float
    preview: float
    imports: float

    @property
    def whole(self) -> float:
        """What a person waits for ``pulumi preview``."""
        return self.imports + self.preview

    @property
    def share(self) -> float:
        """What part of it opening the secrets is."""
        return self.opened / self.whole


@dataclass(frozen=True)
class Files:
    """So many files, opened one after the other and side by side; seconds."""

    count: int
    one_by_one: float
    together: float


@contextmanager
def sealed(key: str) -> Generator[Path]:
    """Seal secrets for one kind of key, which is at hand while the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix="ampere-decryption-"))
    try:
        with ExitStack() as stack:
            path = folder / "given" / "home.enc.yaml"
            path.parent.mkdir()
            if key == "age":
                recipients = rules.Recipients(age=(sops.make_age_key(folder / "age.txt"),))
                variables = {"SOPS_AGE_KEY_FILE": str(folder / "age.txt")}
            else:
                azure = stack.enter_context(serving(folder))
                recipients = rules.Recipients(azure_kv=(_key(azure, far=key == "far vault"),))
                variables = azure.environment
            stack.enter_context(environment(variables))
            rules.write(path.parent / rules.NAME, path, recipients)
            sops.encrypt(generate("home"), path)
            yield path
    finally:
        shutil.rmtree(folder)


def _key(azure: Azure, *, far: bool) -> str:
    if far:
        azure.before_answer = lambda _: time.sleep(FAR_SECONDS)
    return azure.vault("ampere-test").add_version("sops")


def previewed(path: Path) -> Preview:
    """Measure previews, each of which opens the file at ``path`` anew as a new process does."""
    with tempfile.TemporaryDirectory(prefix="ampere-decryption-") as folder:
        project = Project("home", SOURCE / "Pulumi.home.yaml", Path(folder) / "run", path)
        with staged(project) as stage:
            stage.engine.logs = None
            _operated(stage.engine.up)
            runs = [_operated(stage.engine.preview) for _ in range(REPEAT)]
            opened = statistics.median(_opened(project) for _ in range(REPEAT))
    imports = statistics.median(_import_seconds() for _ in range(REPEAT))
    return Preview(opened, statistics.median(runs), imports)


def _operated(operate: Callable[[], Outcome]) -> float:
    _forget()
    outcome = operate()
    if not outcome.ok:
        raise SystemExit(outcome.output)
    return outcome.seconds


def _opened(project: Project) -> float:
    _forget()
    began = time.monotonic()
    sops.read("home", project.root / "secrets" / "home.enc.yaml")
    return time.monotonic() - began


def _forget() -> None:
    """Forget what a new process would not know."""
    sops.forget()
    tools.forget()


def _import_seconds() -> float:
    began = time.monotonic()
    statement = "import ampere_infra.program, ampere_infra.stacks.home"
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=SOURCE)
    return time.monotonic() - began


def opened(path: Path, count: int) -> Files:
    """Measure ``count`` copies of the file at ``path``."""
    paths = [path.with_name(f"{number}.enc.yaml") for number in range(count)]
    for copy in paths:
        copy.write_bytes(path.read_bytes())
    alone = [_seconds(lambda: [sops.decrypt(copy) for copy in paths]) for _ in range(REPEAT)]
    together = [_seconds(lambda: sops.decrypt_all(paths)) for _ in range(REPEAT)]
    return Files(count, statistics.median(alone), statistics.median(together))


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def tell(previews: dict[str, Preview], files: dict[str, list[Files]]) -> str:
    """Put the measurements into tables."""
    lines = [f"{'key':12}" + "".join(f"{n:>10}" for n in ("opened", "preview", "whole", "share"))]
    for key, found in previews.items():
        times = f"{found.opened:10.3f}{found.preview:10.2f}{found.whole:10.2f}"
        lines.append(f"{key:12}{times}{found.share:10.1%}")
    lines += ["", f"{'key':12}     files  one by one  side by side"]
    for key, counts in files.items():
        lines += [f"{key:12}{f.count:10}{f.one_by_one:12.3f}{f.together:14.3f}" for f in counts]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what opening secrets costs.")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    previews: dict[str, Preview] = {}
    files: dict[str, list[Files]] = {}
    for key in KEYS:
        with sealed(key) as path:
            previews[key] = previewed(path)
            files[key] = [opened(path, count) for count in arguments.files]
    if arguments.json:
        found = {
            "previews": {k: asdict(p) | {"share": p.share} for k, p in previews.items()},
            "files": {k: [asdict(f) for f in counts] for k, counts in files.items()},
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(tell(previews, files) + "\n")


if __name__ == "__main__":
    main()
