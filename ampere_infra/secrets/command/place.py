"""Where the project keeps its secrets, and what the commands say."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra.secrets.files import FOLDER, secrets_file

if TYPE_CHECKING:
    from pathlib import Path

FINE, FAILED, WRONG_INPUT = 0, 1, 2


class WrongInputError(Exception):
    """What a person gave cannot be worked with; each argument is a line for them."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


@dataclass(frozen=True)
class Place:
    """A project's folder."""

    folder: Path

    @property
    def secrets(self) -> Path:
        """The folder of which every file is sealed."""
        return self.folder / FOLDER

    @property
    def rules(self) -> Path:
        """What says for whom."""
        return self.folder / ".sops.yaml"

    @property
    def checked(self) -> Path:
        """Which files were found fine, by their digests; nothing of it is secret."""
        return self.folder / ".ampere" / "secrets-checked.json"

    def file(self, stack: str) -> Path:
        """Return the file of the secrets of ``stack``."""
        return self.folder / secrets_file(stack)

    def shown(self, path: Path) -> str:
        """Return ``path`` as a person in the project's folder writes it."""
        return (
            path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        ).as_posix()


def say(text: str) -> None:
    """Tell the person who ran the command."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Tell them what is wrong."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
