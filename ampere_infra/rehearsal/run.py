"""The rehearsal of a stack, told to a person: what ``ampere rehearse`` does."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from ampere_infra import tools
from ampere_infra.rehearsal.keeping import CLOUDS, deleted_but_kept, imports, is_locked, spared
from ampere_infra.rehearsal.leaks import Canary, canaries, generated, search_files
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.progress import Progress
from ampere_infra.rehearsal.project import SOURCE, FolderError, Project
from ampere_infra.rehearsal.stage import TOOLS, Stage, default_folder, staged
from ampere_infra.rehearsal.tree import tree
from ampere_infra.rehearsal.verdict import Verdict, leftovers
from ampere_infra.secrets.model import SecretsError
from ampere_infra.services.chart_values import judge
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.mistakes import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from ampere_infra.rehearsal.engine import Engine, Outcome

PASSED, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class _Failed(Exception):  # noqa: N818 - ends the rehearsal, told already
    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


def speak(line: str) -> None:
    """Print ``line`` at once, on a terminal of any encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def rehearse(
    stack: str,
    config_file: Path | None = None,
    out: Path | None = None,
    secrets_file: Path | None = None,
    *,
    say: Callable[[str], None] = speak,
) -> int:
    """Run ``stack`` through the real engine on doubles, from nothing and back to nothing.

    Rendered files, logs and the state stay below ``out``. Returns the exit status: 0 for a run
    that passed, 1 for one that did not, 2 for wrong input, 130 for one that was interrupted.
    """
    try:
        file = config_file or SOURCE / f"Pulumi.{stack}.yaml"
        judge(parse(stack, read_stack_file(file)))
        for name in TOOLS:
            tools.path(name)
        project = Project(stack, file, out or default_folder(stack), secrets_file)
        with staged(project) as stage:
            return _Rehearsal(stage, say).run()
    except (SettingsError, SecretsError, FolderError) as error:
        say(str(error))
        return WRONG_INPUT
    except tools.BuildError as error:
        say(str(error))
        return FAILED
    except _Failed as failure:
        return failure.code
    except KeyboardInterrupt:
        say("interrupted before anything ran")
        return INTERRUPTED


class _Rehearsal:
    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self.stage = stage
        self.engine = stage.engine
        self.say = say
        self.verdict = Verdict()
        self.sought: tuple[Canary, ...] = ()

    def run(self) -> int:
        with _interruptible(self.engine, self.say) as interrupted:
            self.interrupted = interrupted
            self._create()
            self._repeat()
            self._look_for_leaks()
            self._delete()
        return self._conclude()

    def _create(self) -> None:
        plan = self._must(self.engine.preview())
        for line in tree(plan.events.changes):
            self.say(line)
        self.say(f"\npreview: {plan.changed} to create, {plan.seconds:.1f} s")
        self.say("up:")
        up = self._must(self.engine.up(on_step=Progress(plan.events.changes, self.say)))
        self.verdict.created = up.events.counts["create"]
        self.say(f"up: {self.verdict.created} created, {up.seconds:.1f} s")
        self.verdict.add(self.stage.world.part(Cluster).unreachable())
        self.stage.world.export(self.stage.project.rendered)
        imports(self.engine.export(), self.stage.project.rendered)

    def _repeat(self) -> None:
        again = self._must(self.engine.up())
        self.verdict.changed_again = self.verdict.unchanged("second up", again)
        self.say(f"second up: {again.changed} changed, {again.seconds:.1f} s")
        read = self._must(self.engine.refresh())
        after = self._must(self.engine.preview())
        self.verdict.changed_after_refresh = self.verdict.unchanged("after refresh", after)
        seconds = read.seconds + after.seconds
        self.say(f"refresh: {after.changed} changed afterwards, {seconds:.1f} s")

    def _look_for_leaks(self) -> None:
        shown = self.engine.export(show_secrets=True)
        kept = self.stage.project.secrets.items()
        self.sought = (*generated(shown), *(c for kv in kept for c in canaries(*kv)))
        self._show(self.engine.outputs())

    def _show(self, outputs: dict[str, Any]) -> None:
        self.say("\noutputs:")
        rows = list(_rows(outputs))
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.say(f"    {name:{width}}  {value}".rstrip())
        self.say("")

    def _delete(self) -> None:
        protected = _protected(self.engine.export())
        if protected:
            self._refuses(protected)
            if self.stage.project.stack in CLOUDS:
                self._spares(protected)
            self._unprotect()
        planned = self._must(self.engine.preview_destroy()).events.changes
        self.say("destroy:")
        gone = self._must(self.engine.destroy(on_step=Progress(planned, self.say)))
        self.say(f"destroy: {gone.events.counts['delete']} deleted, {gone.seconds:.1f} s")
        state, world = self.engine.export()["deployment"], self.stage.world.snapshot()
        self.verdict.left = self.verdict.add(leftovers(state, dict(world)))
        for line in deleted_but_kept(self.stage.world):
            self.say(line)

    def _refuses(self, protected: list[str]) -> None:
        refused = self.engine.preview_destroy()
        if not any("protected" in text for text in refused.errors):
            self.verdict.add(["destroy would delete what is protected"])
        self.say(f"destroy: refused, for {len(protected)} are protected: {', '.join(protected)}")

    def _spares(self, protected: list[str]) -> None:
        """Take away all else, see that it is all else, and bring it back."""
        world = self.stage.world
        before = world.snapshot()
        gone = self._must(self.engine.destroy("--exclude-protected"))
        self.verdict.add(spared(protected, self.engine.export(), world))
        count = gone.events.counts["delete"]
        self.say(f"destroy --exclude-protected: {count} deleted, {', '.join(protected)} kept")
        back = self._must(self.engine.up())
        self.verdict.add([] if world.snapshot() == before else ["up did not bring the rest back"])
        self.say(f"up: {back.events.counts['create']} created again")

    def _unprotect(self) -> None:
        if not is_locked(self.stage.world):
            self.engine.unprotect()
            self.say("pulumi state unprotect --all: done")
            return
        # The cloud protects by itself as well: only a run of the program lifts both.
        project = self.stage.project
        config = read_stack_file(project.config_file)
        config["ampere:server"] = {
            **cast("dict[str, object]", config["ampere:server"]),
            "protect": False,
        }
        project.write(config)
        lifted = self._must(self.engine.up())
        self.say(f"server.protect: false, up: {lifted.changed} changed")
        left = _protected(self.engine.export())
        self.verdict.add([f"still protected: {name}" for name in left])

    def _conclude(self) -> int:
        project = self.stage.project
        found = [*search_files(project.rendered, self.sought)]
        found += search_files(project.logs, self.sought)
        found += search_files(project.state / "backend" / ".pulumi" / "stacks", self.sought)
        seen = [f"a provider saw {leak.canary} at {leak.where}" for leak in self.stage.world.leaks]
        self.verdict.leaks = self.verdict.add([*found, *seen])
        files = sum(1 for path in project.rendered.rglob("*") if path.is_file())
        self.say(f"\nrendered: {project.rendered} ({files} files)")
        self.say(f"logs:     {project.logs}")
        for problem in self.verdict.problems:
            self.say(f"WRONG     {problem}")
        self.say(f"\n{self.verdict}")
        return PASSED if self.verdict.passed else FAILED

    def _must(self, outcome: Outcome) -> Outcome:
        if self.interrupted.is_set():
            self.say("stopped. Nothing was real, so nothing is to be cleaned up: just run it again")
            raise _Failed(INTERRUPTED)
        if outcome.ok:
            return outcome
        if outcome.refused:
            self.say("\n".join(text.rstrip() for text in outcome.errors))
            raise _Failed(WRONG_INPUT)
        self.say(outcome.output)
        self.say(f"{outcome.operation} FAILED; the logs are in {self.stage.project.logs}")
        raise _Failed(FAILED)


def _rows(outputs: dict[str, Any], indent: str = "") -> Iterator[tuple[str, str]]:
    for name, value in sorted(outputs.items()):
        if isinstance(value, dict):
            yield f"{indent}{name}:", ""
            yield from _rows(cast("dict[str, Any]", value), f"{indent}  ")
        else:
            yield f"{indent}{name}", str(value)


def _protected(state: dict[str, Any]) -> list[str]:
    resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
    return [str(r["urn"]).rpartition("::")[2] for r in resources if r.get("protect")]


@contextmanager
def _interruptible(engine: Engine, say: Callable[[str], None]) -> Generator[threading.Event]:
    """Pass Ctrl-C on to the engine, which ends what it has begun before it stops."""
    interrupted = threading.Event()

    def stop(*_: object) -> None:
        again = interrupted.is_set()
        interrupted.set()
        say("stopping at once" if again else "stopping after the operations at hand ...")
        engine.interrupt()

    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
