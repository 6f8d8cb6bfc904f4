"""The real Pulumi engine on a project's folder; this process is its language and its clouds."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

from ampere_infra.rehearsal.events import Events, Step
from ampere_infra.rehearsal.language import Language

if TYPE_CHECKING:
    from pathlib import Path

Program = Callable[[], None]
OnStep = Callable[[Step], None]
POLL_SECONDS = 0.1
_NO_SIDECARS = "metadata=skip"
"""The backend replaces a checkpoint in one piece, but not the attributes that it keeps beside it:
who reads the state of an engine at work between the two fails with ``EOF``.

https://pkg.go.dev/gocloud.dev/blob/fileblob#URLOpener
"""

# The engine gets a group of its own: a Ctrl-C in the terminal reaches us, and we pass it on.
_POSIX = sys.platform != "win32"
if sys.platform == "win32":
    _INTERRUPT = signal.CTRL_BREAK_EVENT
    _NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _INTERRUPT = signal.SIGINT
    _NEW_GROUP = 0


class EngineError(Exception):
    """The engine refused a command that had to work."""


@dataclass(frozen=True)
class Outcome:
    """What one operation of the engine came to."""

    operation: str
    code: int
    """The engine's exit status; 0 is success."""
    seconds: float
    output: str
    """What the engine printed."""
    events: Events
    refused: bool = False
    """Whether the program ended by ``pulumi.RunError``: its input is wrong."""
    program_seconds: float = 0.0
    """How long the program kept its thread busy, Pulumi's SDK included."""
    declaring_seconds: float = 0.0
    """How much of it until everything was declared; the rest is what follows from outputs."""

    @property
    def ok(self) -> bool:
        """Whether the engine was content."""
        return self.code == 0

    @property
    def changed(self) -> int:
        """How many resources were more than looked at."""
        return len(self.events.changes)

    @property
    def errors(self) -> tuple[str, ...]:
        """The texts of all errors."""
        found = self.events.diagnostics
        return tuple(said.text for said in found if said.severity == "error")


@dataclass
class Engine(AbstractContextManager["Engine"]):
    """A stack of a project's folder, driven by the ``pulumi`` command.

    The state, and whatever else the engine keeps between two commands, lies in ``state``. The
    passphrase of its secrets is random and reaches the engine through its environment only.
    """

    pulumi: Path
    project: Path
    state: Path
    stack: str
    program: Program
    providers: str = ""
    """The value of ``PULUMI_DEBUG_PROVIDERS``: which provider listens on which port."""
    passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    checkpoints: bool = True
    """Whether the state is written after each step, or once at an operation's end.

    The former takes time that is quadratic in resources; only a killed engine shows the difference.
    """
    options: Sequence[str] = ()
    """Further options of every operation."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    logs: Path | None = None
    """The folder that keeps what each operation printed and reported."""
    process: subprocess.Popen[str] | None = None
    """The engine while an operation runs; others may ask for the state meanwhile."""
    _language: Language | None = None
    _operations: int = 0

    def __enter__(self) -> Self:
        self._language = Language(self.program)
        (self.state / "backend").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *details: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self._language is not None:
            self._language.stop()

    def init(self) -> None:
        """Make the stack."""
        self._must("stack", "init", self.stack, "--no-select")

    def preview(self, *options: str, on_step: OnStep | None = None) -> Outcome:
        """Plan, and change nothing."""
        return self._operate("preview", *options, on_step=on_step)

    def up(self, *options: str, on_step: OnStep | None = None) -> Outcome:
        """Make what the program declares."""
        return self._operate("up", "--yes", "--skip-preview", *options, on_step=on_step)

    def refresh(self, *options: str, on_step: OnStep | None = None) -> Outcome:
        """Read back what there is."""
        return self._operate("refresh", "--yes", "--skip-preview", *options, on_step=on_step)

    def destroy(self, *options: str, on_step: OnStep | None = None) -> Outcome:
        """Delete everything in the state."""
        return self._operate("destroy", "--yes", "--skip-preview", *options, on_step=on_step)

    def preview_destroy(self) -> Outcome:
        """Plan to delete everything, and change nothing."""
        return self._operate("destroy", "--preview-only", on_step=None)

    def unprotect(self) -> None:
        """Lift the protection of every resource, as a person does who means it."""
        self._must("state", "unprotect", "--all", "--yes", "--stack", self.stack)

    def cancel(self) -> None:
        """Take away the lock of an engine that was killed."""
        self._must("cancel", "--yes", "--stack", self.stack)

    def outputs(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the stack's outputs; a secret is ``[secret]`` unless ``show_secrets``."""
        shown = ("--show-secrets",) if show_secrets else ()
        return json.loads(self._must("stack", "output", "--json", "--stack", self.stack, *shown))

    def export(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the state; its secrets are cipher text unless ``show_secrets``."""
        shown = ("--show-secrets",) if show_secrets else ()
        return json.loads(self._must("stack", "export", "--stack", self.stack, *shown))

    @property
    def checkpoint(self) -> Path:
        """The file in which the backend keeps the stack's state."""
        (found,) = (self.state / "backend/.pulumi/stacks").glob(f"*/{self.stack}.json")
        return found

    def interrupt(self) -> None:
        """Ask the engine to stop after the operations at hand; the second time, at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(_INTERRUPT)

    def _operate(self, operation: str, *options: str, on_step: OnStep | None) -> Outcome:
        assert self._language is not None, "enter the engine's context first"  # noqa: S101
        events = Events()
        arguments = (
            *(operation, "--stack", self.stack, "--non-interactive", "--color", "never"),
            *self._language.arguments,
            *options,
            *self.options,
        )
        with self._language.listening(events, on_step) as language:
            began = time.monotonic()
            code, output = self._run(*arguments, at_work=True)
            seconds = time.monotonic() - began
        self._operations += 1
        outcome = Outcome(
            operation,
            code,
            seconds,
            output,
            events,
            language.refused,
            language.cpu_seconds,
            language.declaring_seconds,
        )
        self._log(outcome)
        return outcome

    def _log(self, outcome: Outcome) -> None:
        if self.logs is not None:
            name = self.logs / f"{self._operations:02}-{outcome.operation}"
            name.with_suffix(".log").write_text(outcome.output, encoding="utf-8")
            events = "".join(f"{line}\n" for line in outcome.events.raw)
            name.with_suffix(".events.jsonl").write_text(events, encoding="utf-8")

    def _must(self, *arguments: str) -> str:
        code, output = self._run("--non-interactive", *arguments)
        if code:
            raise EngineError(f"pulumi {' '.join(arguments)}:\n{output}")
        return output

    def _run(self, *arguments: str, at_work: bool = False) -> tuple[int, str]:
        lines: list[str] = []
        with subprocess.Popen(
            [str(self.pulumi), *arguments],
            cwd=self.project,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=_POSIX,
            creationflags=_NEW_GROUP,
        ) as process:
            if at_work:
                self.process = process
            assert process.stdout is not None  # noqa: S101
            reader = threading.Thread(target=_collect, args=(process.stdout, lines))
            reader.start()
            code = _wait(process)
            reader.join()
        if at_work:
            self.process = None
        return code, "".join(lines)

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}
        sparing = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
        return {
            **inherited,
            **({} if self.checkpoints else sparing),
            "PULUMI_HOME": str(self.state / "pulumi"),
            "PULUMI_BACKEND_URL": f"{(self.state / 'backend').resolve().as_uri()}?{_NO_SIDECARS}",
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_DEBUG_PROVIDERS": self.providers,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_AUTOMATION_API": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
            **self.environment,
        }


def _collect(stream: IO[str], lines: list[str]) -> None:
    lines.extend(stream)


def _wait(process: subprocess.Popen[str]) -> int:
    # In short spells, so that Windows lets a Ctrl-C through.
    while True:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
