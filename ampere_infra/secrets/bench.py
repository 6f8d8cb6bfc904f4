"""Where ``sops`` changes a file: on a copy, with the rules beside it, put back in one step."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.secrets import rules
from ampere_infra.secrets.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Generator

_IN_MEMORY = ("XDG_RUNTIME_DIR", "/run/shm", "/dev/shm")  # noqa: S108


@dataclass(frozen=True)
class Bench:
    """A folder that holds a sealed file and its rules, at the places they have to each other."""

    folder: Path
    original: Path
    before: bytes
    copy: Path
    """The sealed file that ``sops`` works on."""

    @property
    def options(self) -> list[str]:
        """What makes ``sops`` take the rules that are here, and no others."""
        return ["--config", str(self.folder / rules.NAME)]

    def put_back(self) -> bool:
        """Put the copy in the original's place; False if ``sops`` changed nothing.

        Raises:
            SecretsError: Someone else changed the original meanwhile.
        """
        after = self.copy.read_bytes()
        if after == self.before:
            return False
        if read_bytes(self.original) != self.before:
            raise SecretsError(
                self.original.as_posix(),
                "was changed by something else meanwhile, so it was left as it is: do it again",
            )
        replace(self.original, after)
        return True


@contextmanager
def bench(path: Path, *, in_memory: bool = False) -> Generator[Bench]:
    """Lay a copy of the file at ``path`` out for ``sops``; whatever is left there is removed.

    Raises:
        SecretsError: The file cannot be read.
    """
    before = read_bytes(path)
    ruling = rules.find(path)
    with tempfile.TemporaryDirectory(
        prefix="ampere-secrets-", dir=_memory() if in_memory else None
    ) as name:
        folder = Path(name)
        copy = folder / (path.absolute().relative_to(ruling.parent) if ruling else path.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(before)
        if ruling is None:
            (folder / rules.NAME).touch()
        else:
            shutil.copyfile(ruling, folder / rules.NAME)
        yield Bench(folder, path, before, copy)


def read_bytes(path: Path) -> bytes:
    """Read the file at ``path``.

    Raises:
        SecretsError: It is not there, or cannot be read.
    """
    file = path.as_posix()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        name = path.name.split(".")[0]
        raise SecretsError(
            file, f"is not there: make it with `ampere secrets init {name}` (docs/secrets.md)"
        ) from None
    except OSError as error:
        raise SecretsError(file, f"cannot be read: {error.strerror}") from None


def replace(path: Path, content: bytes) -> None:
    """Put sealed ``content`` at ``path`` so that a power cut leaves the old or the new one."""
    path = path.resolve()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SecretsError(path.as_posix(), f"cannot be written: {error.strerror}") from None


def _memory() -> str | None:
    """Return a folder of this user that lies in memory, where the system has one."""
    if sys.platform == "win32":
        return None
    places = (os.environ.get(place, place) for place in _IN_MEMORY)
    return next((p for p in places if Path(p).is_dir() and os.access(p, os.W_OK)), None)
