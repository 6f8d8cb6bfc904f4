"""Waiting for something, with a limit and with words for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def await_true(
    done: Callable[[], bool],
    what: str,
    seconds: float,
    pause: float = 1.0,
    said: Callable[[], str] = str,
) -> None:
    """Wait until ``done``, looking every ``pause`` seconds.

    Raises:
        AssertionError: It is not after so many seconds; tells what ``said`` returns then.
    """
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"no {what} within {seconds:.0f} s\n{said()}".rstrip()
        time.sleep(pause)
