"""An undisturbed rehearsal of one of the project's own stacks, for all tests that look at it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drill import fast_folder

from ampere_infra.rehearsal.run import rehearse

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@dataclass(frozen=True)
class Rehearsed:
    """What a person has after ``ampere rehearse STACK``."""

    code: int
    lines: tuple[str, ...]
    folder: Path

    @property
    def said(self) -> str:
        """All that was printed."""
        return "\n".join(self.lines)


@contextmanager
def rehearsal(stack: str, file: Path) -> Generator[Rehearsed]:
    """Rehearse ``stack`` as ``file`` declares it; its folder is gone afterwards."""
    folder = fast_folder()
    lines: list[str] = []
    try:
        code = rehearse(stack, file, folder / "out", say=lines.append)
        yield Rehearsed(code, tuple("\n".join(lines).splitlines()), folder / "out")
    finally:
        shutil.rmtree(folder)
