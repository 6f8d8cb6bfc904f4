"""The ``ampere`` command: what helps around ``pulumi``, never a second way to deploy."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.backup.parser import add_backup, add_restore
from ampere_infra.doctor.parser import add_doctor
from ampere_infra.project import PROJECT
from ampere_infra.secrets.command.parser import add_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace], int]
    AddParser = Callable[..., argparse.ArgumentParser]

FINE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

_STATUSES = "Exit status: 0 fine, 1 the run failed its verdict, 2 the input is wrong."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _accept_any_character()
    chosen = _parser().parse_args(arguments)
    run: Command = chosen.run
    try:
        return run(chosen)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ampere",
        description="Helps around `pulumi`, which alone deploys: `pulumi up --stack home`.",
        epilog=_STATUSES,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_to in (
        _add_rehearse,
        _add_check,
        add_doctor,
        _add_schema,
        add_secrets,
        add_backup,
        add_restore,
        _add_tools,
    ):
        add_to(commands.add_parser)
    return parser


def _add_rehearse(add: AddParser) -> None:
    parser = add(
        "rehearse",
        help="run a stack's program in the real engine, against doubles",
        description="Run a stack's program in the real engine, against doubles of all that it "
        "would act on: preview, up, a second up that must change nothing, refresh and destroy. "
        "No hypervisor, cluster, cloud or network is touched.",
        epilog=_STATUSES,
    )
    parser.set_defaults(run=_on_stack(_rehearse))
    _add_stack(parser)
    _add_config_file(parser)
    _add_out(parser, "keep rendered files, state and logs there (default: .ampere/rehearsal/STACK)")
    parser.add_argument(
        "--secrets",
        metavar="FILE",
        type=_absolute,
        help="use this SOPS file, which your keys must open (default: random values)",
    )


def _add_check(add: AddParser) -> None:
    summary = "check a stack's settings, all at once and without the engine"
    parser = add("check", help=summary, description=summary, epilog=_STATUSES)
    parser.set_defaults(run=_on_stack(_check))
    _add_stack(parser)
    _add_config_file(parser)


def _add_schema(add: AddParser) -> None:
    summary = "write the JSON Schema of a stack's settings, so that an editor completes them"
    parser = add("schema", help=summary, description=summary, epilog=_STATUSES)
    parser.set_defaults(run=_on_stack(_schema))
    _add_stack(parser)
    _add_out(parser, "write STACK.schema.json there (default: .ampere, where the editor looks)")


def _add_tools(add: AddParser) -> None:
    parser = add(
        "tools",
        help="find the pinned tools, or build them from source",
        description="Find the pinned tools: a suitable one on PATH, else one that was built "
        "before; else it is built with Go, once, into your cache.",
        epilog=_STATUSES,
    )
    parser.set_defaults(run=_tools)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="which (default: all but the test machines')"
    )


def _add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", metavar="STACK", help="the stack's name, such as home")


def _add_config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        type=_absolute,
        help="the stack's settings (default: the project's Pulumi.STACK.yaml)",
    )


def _add_out(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--out", metavar="DIR", type=_absolute, help=text)


def _rehearse(chosen: argparse.Namespace) -> int:
    from ampere_infra.rehearsal.run import rehearse

    return rehearse(chosen.stack, _config_file(chosen), chosen.out, chosen.secrets)


def _check(chosen: argparse.Namespace) -> int:
    from ampere_infra.check import check

    return check(chosen.stack, _config_file(chosen))


def _schema(chosen: argparse.Namespace) -> int:
    from ampere_infra.settings.schema import schema_file, write_schema

    kept = schema_file(chosen.stack)
    target: Path = PROJECT / kept if chosen.out is None else chosen.out / kept.name
    try:
        print(write_schema(chosen.stack, target))
    except OSError as error:
        _complain(f"{target} cannot be written: {error.strerror}")
        return WRONG_INPUT
    return FINE


def _on_stack(run: Command) -> Command:
    """Return ``run`` with the stack's name looked up first, and wrong settings told."""

    def checked(chosen: argparse.Namespace) -> int:
        from ampere_infra.settings.load import model_of
        from ampere_infra.settings.mistakes import SettingsError

        try:
            model_of(chosen.stack)
            return run(chosen)
        except SettingsError as error:
            _complain(str(error))
            return WRONG_INPUT

    return checked


def _tools(chosen: argparse.Namespace) -> int:
    from ampere_infra import tools

    unknown = sorted(set(chosen.names) - set(tools.TOOLS))
    if unknown:
        _complain(f"no tool is called {', '.join(unknown)}; there are: {', '.join(tools.TOOLS)}")
        return WRONG_INPUT
    try:
        for name in chosen.names or tools.usual():
            print(f"{name:12} {tools.path(name)}", flush=True)
    except tools.BuildError as error:
        _complain(str(error))
        return FAILED
    return FINE


def _config_file(chosen: argparse.Namespace) -> Path:
    return chosen.config_file or PROJECT / f"Pulumi.{chosen.stack}.yaml"


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _accept_any_character() -> None:
    """Let a console that lacks a character, such as cp1252's, show another in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
