"""What is said where a backup or a restore cannot go on."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
WRONG_INPUT: Final = 2


class BackupError(Exception):
    """The command ends; the text says what was found and what to do."""

    status = FAILED


class WrongInputError(BackupError):
    """What was asked for cannot be; nothing was begun."""

    status = WRONG_INPUT
