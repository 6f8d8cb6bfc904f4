"""Points in time as a person writes them: a date, a time and its zone (RFC 3339)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_ZONELESS = MOMENT.rpartition("(?:Z")[0]
EXAMPLE = "2026-11-20T10:00:00Z"


def moment(text: str) -> datetime:
    """Return the point in time that ``text`` spells, in UTC.

    Raises:
        ValueError: it spells none, or lacks its zone; the text is the remedy.
    """
    if re.fullmatch(_ZONELESS, text):
        raise ValueError(f"has no zone; did you mean {text}Z (UTC), or {text}+01:00?")
    try:
        if re.fullmatch(MOMENT, text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"is no point in time; write date, time and zone, such as {EXAMPLE}")


def read_moment(text: str) -> str:
    """Return ``text`` if it spells a point in time.

    Raises:
        ValueError: it spells none; the text is the remedy.
    """
    moment(text)
    return text


def spelled_moment(when: datetime) -> str:
    """Return ``when`` in UTC, to the second, as RFC 3339 writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
