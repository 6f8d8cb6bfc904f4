"""One stack run again and again from nothing: disturbed at a chosen operation, then healed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ampere_infra.rehearsal.doubles import serve
from ampere_infra.rehearsal.keeping import imports
from ampere_infra.rehearsal.places.azure import Azure
from ampere_infra.rehearsal.places.hetzner import HetznerCloud
from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.stage import Stage, real_program, staged
from ampere_infra.rehearsal.world import Operation, World
from tests.engine.stopped import Stopped
from tests.engine.together import Together, levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ampere_infra.rehearsal.engine import Outcome, Program

HOME = SOURCE / "Pulumi.home.yaml"
FOUNDATION = SOURCE / "Pulumi.foundation.yaml"
API = SOURCE / "Pulumi.api.yaml"
KILLED = -signal.SIGKILL
ACTIONS = {"up": "create", "destroy": "delete"}
PARALLEL = "--parallel=32"
"""As many as are to fail together, and more, are under way at once."""


def fast_folder() -> Path:
    """Make a temporary folder, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="ampere-engine-", dir=place))


@dataclass(frozen=True)
class End:
    """What a run ended with: comparable with what another ended with."""

    world: dict[str, Any]
    urns: tuple[str, ...]
    """Of all resources in the state, twice if there twice."""
    loose: tuple[str, ...]
    """What the state says is half done or waits for its deletion."""

    def differences(self, other: End) -> Iterator[str]:
        """Name what ``other`` has more or less."""
        for what in ("urns", "loose"):
            mine, others = getattr(self, what), getattr(other, what)
            yield from (f"lost: {x}" for x in mine if others.count(x) < mine.count(x))
            yield from (f"more: {x}" for x in others if others.count(x) > mine.count(x))
        yield from _different("world", self.world, other.world)


def _different(path: str, mine: object, others: object) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(others, dict):
        for key in sorted({*mine, *others}, key=str):
            yield from _different(f"{path}/{key}", mine.get(key), others.get(key))
    elif isinstance(mine, list) and isinstance(others, list):
        yield from (f"{path}: lost {x!r}" for x in mine if x not in others)
        yield from (f"{path}: more {x!r}" for x in others if x not in mine)
        if len(mine) != len(others):
            yield f"{path}: {len(mine)} became {len(others)}"
    elif mine != others:
        yield f"{path}: {mine!r} became {others!r}"


@dataclass
class Drill(AbstractContextManager["Drill"]):
    """A stack that is put back to a known state before each disturbance."""

    program: Program = real_program
    config_file: Path = HOME
    stack: str = "home"
    created: tuple[Operation, ...] = ()
    """The operations of an undisturbed ``up``."""
    deleted: tuple[Operation, ...] = ()
    """Those of an undisturbed ``destroy``."""
    refreshed: bool = False
    """Whether the last disturbance took a run with ``--refresh`` to heal."""
    imported: int = 0
    """How many resources had to be imported for it."""
    failed: tuple[str, ...] = ()
    """What failed in the last disturbance."""
    loses_answers: bool = False
    """Whether what fails in a cloud has had its effect."""
    complete: End | None = None
    """What an undisturbed ``up`` ends with."""
    protected: frozenset[str] = frozenset()
    """What stands under protection in the state."""
    levels: dict[str, int] = field(default_factory=dict[str, int])
    """Resources of one level need nothing of each other."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _served: ExitStack = field(default_factory=ExitStack)
    _saved: dict[str, tuple[Path, World]] = field(default_factory=dict[str, tuple[Path, World]])

    def __enter__(self) -> Self:
        folder = fast_folder()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        project = Project(self.stack, self.config_file, folder / "run")
        self.stage: Stage = self._stack.enter_context(staged(project, World(), self.program))
        self._stack.enter_context(self._served)
        self._stack.callback(self._served.close)
        self.stage.engine.logs = None
        self._vault = folder / "saved"
        self._strays = folder / "strays"
        self._stopped = Stopped(project.state, self._vault)
        self.world = self.stage.world
        self.save("empty")
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def save(self, name: str) -> None:
        """Keep the state and the world under ``name``."""
        shutil.copytree(self.stage.project.state, self._vault / name)
        self._saved[name] = self._vault / name, self.world.fork()

    def restore(self, name: str) -> None:
        """Put the state and the world back to what ``save`` kept."""
        folder, world = self._saved[name]
        shutil.rmtree(self.stage.project.state)
        shutil.copytree(folder, self.stage.project.state)
        self._served.close()
        self.world = world.fork()
        for cloud in (Azure, HetznerCloud):
            self.world.part(cloud).loses_answers = self.loses_answers
        self.stage.engine.providers = self._served.enter_context(serve(self.world))

    def measure(self, chosen: Callable[[list[str]], list[str]] | None = None) -> None:
        """Run undisturbed, up and down, and keep both ends to start from.

        With ``chosen``, also what an engine leaves that is killed at the operations it picks.
        """
        engine = self.stage.engine
        up = engine.up()
        assert up.ok, f"an undisturbed up has to succeed\n{up.output}"
        self.created = tuple(o for o in self.world.operations if o.action == "create")
        self.complete = self.end()
        self.levels = levels(engine.checkpoint)
        state = engine.export()
        self.protected = frozenset(
            r["urn"] for r in state["deployment"]["resources"] if r.get("protect")
        )
        imports(state, self._strays)
        engine.unprotect()
        self.save("complete")
        destroy = engine.destroy()
        assert destroy.ok, f"an undisturbed destroy has to succeed\n{destroy.output}"
        self.deleted = tuple(o for o in self.world.operations if o.action == "delete")
        self.gone = self.end()
        for run, operations in (("up", self.created), ("destroy", self.deleted)):
            if chosen is not None:
                self.stop_at(run, chosen([o.urn for o in operations]))

    def stop_at(self, run: str, urns: list[str]) -> None:
        """Keep what the engine has written when each operation has had its effect.

        At the last one it is killed, to show that a killed engine leaves just that.
        """
        action, engine = self._begin(run), self.stage.engine
        self.world.on_operation = self._stopped.at(engine, self.world, action, urns)
        # What a killed engine recorded until then is what the next run begins with.
        engine.checkpoints = True
        ended = self._run(run)
        engine.checkpoints = False
        self.world.on_operation = None
        assert ended.code == KILLED, f"the {run} was not killed but ended with {ended.code}"
        self._stopped.check()
        self._saved.update(self._stopped.saved)

    def end(self) -> End:
        """Read the state's file, which costs no run of the engine, and the world."""
        text = self.stage.engine.checkpoint.read_text(encoding="utf-8")
        latest = json.loads(text)["checkpoint"]["latest"]
        resources: list[dict[str, Any]] = latest.get("resources") or []
        loose = [f"pending {x['type']} {x['resource']['urn']}" for x in _pending(latest)]
        loose += [f"waits for deletion: {r['urn']}" for r in resources if r.get("delete")]
        urns = sorted(r["urn"] for r in resources)
        return End(self.world.snapshot(), tuple(urns), tuple(loose))

    def fail(self, run: str, urns: tuple[str, ...]) -> list[str]:
        """Let operations fail together in a ``run``, up or destroy; heal; say what is wrong.

        ``failed`` are those that did: what came too late was not tried.
        """
        action = self._begin(run)
        for urn in urns:
            self.world.fail_at(action, urn)
        self.world.before_failure = Together(len(urns)).wait
        first = self._run(run, PARALLEL)
        self.world.fail_no_more()
        self.failed = tuple(o.urn for o in self.world.operations if o.failed)
        if first.ok or not self.failed:
            return [f"the {run} ended with {first.code}, undisturbed", first.output]
        return self._healed(run)

    def kill(self, run: str, urn: str) -> list[str]:
        """Go on from an engine that was killed when ``urn``'s operation had had its effect."""
        self.restore(f"{ACTIONS[run]} {urn}")
        again = self._run(run)
        if "locked" in again.output:
            self.stage.engine.cancel()
        elif again.ok:
            return ["the killed engine's lock was not noticed"]
        return self._healed(run, killed=True)

    def _begin(self, run: str) -> str:
        self.restore({"up": "empty", "destroy": "complete"}[run])
        return ACTIONS[run]

    def _run(self, run: str, *options: str) -> Any:
        return getattr(self.stage.engine, run)(*options)

    def _healed(self, run: str, *, killed: bool = False) -> list[str]:
        self.imported = 0
        again = self._run(run)
        while self._import(again):
            again = self._run(run)
        loose = killed or self.loses_answers
        self.refreshed = _is_protected(again) or (loose and _is_gone(again))
        if self.refreshed:
            again = getattr(self.stage.engine, run)("--refresh")
        if not again.ok:
            return [f"the second {run} failed", *again.errors]
        if killed and self.end().loose:
            # The engine goes on naming what it was killed at until it is told to forget it.
            read = self.stage.engine.refresh("--clear-pending-creates")
            if not read.ok:
                return ["the refresh afterwards failed", *read.errors]
        expected = self.complete if run == "up" else self.gone
        assert expected is not None, "measure first"
        return list(expected.differences(self.end()))

    def _import(self, refused: Outcome) -> bool:
        """Import what is in Azure and not in the state, as the provider's refusals name it."""
        files = {
            json.loads(file.read_text())["resources"][0]["id"]: file
            for file in self._strays.rglob("*.json")
        }
        found = [
            re.search("cannot create already existing resource '(.*)'", text)
            for text in refused.errors
        ]
        strays = [match[1] for match in found if match]
        for stray in strays:
            self._take_in(files[stray])
        self.imported += len(strays)
        return bool(strays)

    def _take_in(self, file: Path) -> None:
        """Run ``pulumi import``, which the next up protects; it asks for a language to write."""
        engine = self.stage.engine
        host = self._strays / "pulumi-language-python"
        if not host.exists():
            assert engine._language is not None
            port = engine._language.arguments[0].rpartition(":")[2]
            host.write_text(f"#!{sys.executable}\nprint({port}, flush=True)\ninput()\n")
            host.chmod(0o700)
            engine.environment = {"PATH": os.pathsep.join([str(host.parent), os.environ["PATH"]])}
        options = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
        engine._must("import", "--file", str(file), *options, "--stack", self.stack)


def _is_protected(outcome: Outcome) -> bool:
    """A disk or server that broke off while it was made is not replaced while it is protected.

    The engine takes it for broken until a refresh has read it back whole.
    """
    said = [text for text in outcome.errors if "marked for protection" in text]
    return bool(said) and all(re.search("volume:Volume::|server:Server::", t) for t in said)


def _is_gone(outcome: Outcome) -> bool:
    """Some providers refuse to delete what is not there, until a refresh has missed it."""
    said = [text for text in outcome.errors if text.startswith("deleting ")]
    return bool(said) and all("not found" in text for text in said)


def _pending(latest: dict[str, Any]) -> list[dict[str, Any]]:
    return latest.get("pending_operations") or []
