"""Writing the section ``ampere:recovery`` into a stack file, and nothing else of it."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.backup.errors import BackupError
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.mistakes import SettingsError

if TYPE_CHECKING:
    from ampere_infra.settings.recovery import Recovery

_NOTE = "# Which generation of the database is in use; `ampere restore` writes it.\n"
_SECTION = re.compile(
    rf"(?m)^(?:(?P<note>[ ]+){re.escape(_NOTE)})?(?P<indent>[ ]+)ampere:recovery:.*\n"
    r"(?:(?P=indent)[ ]+.*\n|[ ]*\n)*"
)


def write_recovery(file: Path, recovery: Recovery) -> None:
    """Put ``recovery`` into the stack file, in place of what it had.

    Raises:
        BackupError: that would change anything else; the text is what to write by hand.
    """
    with file.open(encoding="utf-8", newline="") as opened:
        original = opened.read()
    ends = "\r\n" if "\r\n" in original else "\n"
    text = original.replace("\r\n", "\n")
    text = text if text.endswith("\n") else f"{text}\n"
    child = re.search(r"(?m)^([ ]+)ampere:", text)
    section = _section(recovery, child[1] if child else "  ")
    changed = _SECTION.sub("", text, count=1) + section
    _replace(file, changed.replace("\n", ends), recovery, section)


def _section(recovery: Recovery, indent: str) -> str:
    facts = [f"generation: {recovery.generation}"]
    facts += [f"source: {recovery.source}"] if recovery.source else []
    facts += [f'to: "{recovery.to}"'] if recovery.to else []
    facts += [f"kept: [{', '.join(recovery.kept)}]"] if recovery.kept else []
    lines = "".join(f"{indent}  {fact}\n" for fact in facts)
    return f"{indent}{_NOTE}{indent}ampere:recovery:\n{lines}"


def _replace(file: Path, text: str, recovery: Recovery, section: str) -> None:
    """Put ``text`` in the file's place in one step, once it is known to say the right thing."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(text)
        if not _says(file, temporary, recovery):
            raise BackupError(
                f"{file.name} is not written as it is expected to be; write this below `config:`, "
                f"and run `pulumi up`:\n{section}"
            )
        temporary.chmod(file.stat().st_mode)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _says(before: Path, after: Path, recovery: Recovery) -> bool:
    try:
        old, new = (parse("home", read_stack_file(path)) for path in (before, after))
    except SettingsError:
        return False
    return new == old.model_copy(update={"recovery": recovery})
