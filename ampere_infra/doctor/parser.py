"""The command line of ``ampere doctor``; what it needs is imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.project import PROJECT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

WRONG_INPUT: Final = 2


def add_doctor(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command by ``add``, which makes a parser."""
    parser = add(
        "doctor",
        help="look at the host and at this machine, and say what is to be done where",
        description="Look at the KVM host and at the machine that runs Pulumi, and say of each "
        "thing whether it is ready; of what is not, which command helps and on which machine. "
        "Nothing is changed. Runs on the host itself, or reaches it over SSH as the program does.",
        epilog="Exit status: 0 fine, 1 something is wrong, 2 the settings are wrong.",
    )
    parser.set_defaults(run=_run, way=None)
    parser.add_argument("stack", metavar="STACK", help="the stack's name, such as home")
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        type=lambda path: Path(path).expanduser().resolve(),
        help="the stack's settings (default: the project's Pulumi.STACK.yaml)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    way = parser.add_mutually_exclusive_group()
    for option, value, text in (
        ("--here", "here", "take this machine for the host (default: if it has its address)"),
        ("--over-ssh", "ssh", "reach the host over SSH, even if it is this machine"),
    ):
        way.add_argument(option, dest="way", action="store_const", const=value, help=text)


def _run(chosen: argparse.Namespace) -> int:
    from ampere_infra.settings.load import model_of
    from ampere_infra.settings.mistakes import SettingsError

    file = chosen.config_file or PROJECT / f"Pulumi.{chosen.stack}.yaml"
    try:
        model_of(chosen.stack)
        from ampere_infra.doctor.run import doctor

        return doctor(chosen.stack, file, PROJECT, chosen.way, json=chosen.json)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT
