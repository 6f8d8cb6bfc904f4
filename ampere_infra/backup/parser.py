"""The command lines of ``ampere backup`` and ``ampere restore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.project import PROJECT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ampere_infra.backup.session import Session

    AddParser = Callable[..., argparse.ArgumentParser]

FINE, WRONG_INPUT = 0, 2
_MINUTES: Final = 240
_STATUSES = "Exit status: 0 fine, 1 it failed, 2 the input is wrong and nothing was begun."


def add_backup(add: AddParser) -> None:
    """Add ``ampere backup`` by ``add``, which makes a parser."""
    parser = add(
        "backup",
        help="copy PostgreSQL and MinIO to the second S3 target, now",
        description="Make a base backup of PostgreSQL and a copy of MinIO's buckets in the second "
        "S3 target of the settings, and wait until both are there. It needs kubectl and the "
        "stack's kubeconfig.",
        epilog=_STATUSES,
    )
    parser.set_defaults(run=_backup)
    _add_common(parser)


def add_restore(add: AddParser) -> None:
    """Add ``ampere restore`` by ``add``, which makes a parser."""
    parser = add(
        "restore",
        help="go back to a point in time, after saying what that overwrites",
        description="Say what a restore to a point in time would overwrite, and, once the "
        "cluster's name was typed, do it: MinIO's buckets at once, PostgreSQL by the next "
        "`pulumi up`.",
        epilog=_STATUSES,
    )
    parser.set_defaults(run=_restore)
    _add_common(parser)
    parser.add_argument(
        "--to",
        metavar="TIME",
        required=True,
        help="the point in time, with its zone: 2026-11-20T10:00:00Z or ...+01:00",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--only", choices=("postgresql", "minio"), help="restore one of them (default: both)"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", metavar="STACK", choices=("home",), help="the stack's name: home")
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=_absolute,
        help="the stack's kubeconfig (default: where kubectl looks)",
    )
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        type=_absolute,
        help="the stack's settings (default: the project's Pulumi.STACK.yaml)",
    )
    parser.add_argument(
        "--timeout",
        metavar="MINUTES",
        type=int,
        default=_MINUTES,
        help=f"how long to wait for each of the cluster's Jobs (default: {_MINUTES})",
    )


def _backup(chosen: argparse.Namespace) -> int:
    from ampere_infra.backup.backup_command import back_up

    return _told(lambda: back_up(_session(chosen)))


def _restore(chosen: argparse.Namespace) -> int:
    from ampere_infra.backup.restore_command import (
        PARTS,
        ask,
        point_in_time,
        restore,
    )

    def run() -> None:
        session = _session(chosen)
        when = point_in_time(chosen.to, session.now())
        name = session.settings.cluster.name
        parts = (chosen.only,) if chosen.only else PARTS
        confirm = (lambda: True) if chosen.yes else (lambda: ask(name))
        restore(session, when, _file(chosen), parts, confirm)

    return _told(run)


def _told(run: Callable[[], None]) -> int:
    from ampere_infra.backup.errors import BackupError
    from ampere_infra.settings.mistakes import SettingsError
    from ampere_infra.tools import BuildError

    try:
        run()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT
    except BuildError as error:
        sys.stderr.write(f"there is no kubectl: {error}\n")
        return WRONG_INPUT
    except BackupError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    return FINE


def _session(chosen: argparse.Namespace) -> Session:
    from ampere_infra import tools
    from ampere_infra.backup.kubectl import Kubectl
    from ampere_infra.backup.session import Session
    from ampere_infra.settings.load import parse, read_stack_file

    settings = parse("home", read_stack_file(_file(chosen)))
    kubectl = Kubectl(tools.path("kubectl"), settings.cluster.name, chosen.kubeconfig)
    return Session(settings, kubectl, _say, chosen.timeout)


def _file(chosen: argparse.Namespace) -> Path:
    return chosen.config_file or PROJECT / f"Pulumi.{chosen.stack}.yaml"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()
