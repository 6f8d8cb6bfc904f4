"""How a command fails."""

from __future__ import annotations


class ExitError(Exception):
    """The command ended with another status than 0; the text is what it printed."""
