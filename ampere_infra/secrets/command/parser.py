"""The command line of ``ampere secrets``; what a command needs is imported when it runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.project import PROJECT
from ampere_infra.secrets.command.place import FAILED, WRONG_INPUT, Place, WrongInputError, complain
from ampere_infra.secrets.errors import SecretsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    AddParser = Callable[..., argparse.ArgumentParser]
    Command = Callable[[argparse.Namespace], int]

_STATUSES = (
    "Exit status: 0 fine, 1 a file is not as it must be or cannot be opened, 2 the input is wrong, "
    "130 interrupted."
)


def add_secrets(add: AddParser) -> None:
    """Add ``secrets`` with its own commands to those of ``ampere``."""
    summary = "make, take over, change and check the files of secrets"
    parser = add(
        "secrets",
        help=summary,
        description=f"{summary.capitalize()}, secrets/STACK.enc.yaml. No value is ever shown, "
        "or on disk in clear but while you edit.",
        epilog=_STATUSES,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_to in (_init, _import, _edit, _rotate, _check, _adopt):
        add_to(commands.add_parser)


def _init(add: AddParser) -> None:
    text = "make what can be made, ask for the rest, and seal it"
    parser = _command(add, "init", text)
    parser.description = (
        "Make a strong random value for each secret that can be made, take the others from the "
        "environment (HCLOUD_TOKEN for hcloud_token) or ask for them, and seal them. A value that "
        "exists is never changed. Without a .sops.yaml one is made, for your age key."
    )
    parser.add_argument("stack", metavar="STACK", help="whose secrets: home or api")


def _import(add: AddParser) -> None:
    parser = _command(add, "import", "take over the secrets of an .env file")
    parser.add_argument("stack", metavar="STACK", help="whose secrets: home or api")
    parser.add_argument("env_file", metavar="FILE", type=Path, help="such as env_files/.env")


def _edit(add: AddParser) -> None:
    parser = _command(add, "edit", "open a file in your editor (EDITOR), then check it")
    parser.add_argument("stack", metavar="STACK", help="whose secrets: home or api")


def _rotate(add: AddParser) -> None:
    text = "seal with a new data key, or give one secret a new value"
    parser = _command(add, "rotate", text)
    parser.description = (
        "Without NAME: seal the file with a new data key, for those whom .sops.yaml names now. "
        "With NAME: give that secret a new value, made or asked for."
    )
    parser.add_argument("stack", metavar="STACK", help="whose secrets: home or api")
    parser.add_argument("name", metavar="NAME", nargs="?", help="which secret gets a new value")


def _check(add: AddParser) -> None:
    text = "check that all is sealed, whole, for the right keys, and as the stacks need it"
    parser = _command(add, "check", text)
    parser.description = (
        "Check every file under secrets/: it is encrypted, nobody changed it but sops, those whom "
        ".sops.yaml names can open it, and what the stack needs is there and nothing else. What "
        "was found fine is not opened again until it changes."
    )
    parser.add_argument(
        "stacks", metavar="STACK", nargs="*", help="whose file must be there (default: any)"
    )
    parser.add_argument(
        "--without-keys",
        action="store_true",
        help="open nothing, where no key is at hand: look at what shows from outside",
    )


def _adopt(add: AddParser) -> None:
    parser = _command(add, "adopt", "let the foundation stack's key open the files too")
    parser.description = (
        "Put the key that the foundation stack made into .sops.yaml beside the age key, so that "
        "either opens each file, and seal the files that are there for both."
    )
    parser.add_argument(
        "--sops-key",
        metavar="URL",
        help="its address with its version (default: the stack's output sops_key)",
    )


def _command(add: AddParser, name: str, summary: str) -> argparse.ArgumentParser:
    parser = add(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.epilog = _STATUSES
    parser.set_defaults(run=_lazily(f"ampere_infra.secrets.command.{name}_command"))
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=lambda path: Path(path).expanduser().resolve(),
        default=PROJECT,
        help="the project's folder (default: the one that this program is part of)",
    )
    return parser


def _lazily(module: str) -> Command:
    def run(chosen: argparse.Namespace) -> int:
        try:
            if not chosen.folder.is_dir():
                raise WrongInputError(f"{chosen.folder} is no folder")  # noqa: TRY301
            return import_module(module).run(Place(chosen.folder), chosen)
        except WrongInputError as error:
            complain(str(error))
            return WRONG_INPUT
        except SecretsError as error:
            complain(str(error))
            return FAILED

    return run
