"""Waiting for something, with a limit and with words for it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
PATIENCE = 300.0
"""Seconds until what does not come is given up; on a busy machine all is slow."""


def await_true(
    holds: Callable[[], T],
    what: str,
    seconds: float = PATIENCE,
    pause: float = 0.3,
    said: Callable[[], str] = str,
) -> T:
    """Return what ``holds`` returns once that is true, looking every ``pause`` seconds.

    Raises:
        AssertionError: It is not after so many seconds; tells what ``said`` returns then.
    """
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s\n{said()}".rstrip()
        time.sleep(pause)
    return found


def await_result(work: Coroutine[object, object, T], seconds: float = PATIENCE) -> T:
    """Return what ``work`` comes to, on a loop of its own.

    Not asyncio.run, which leaves the thread without the loop that the SDK's mocks ask for.

    Raises:
        TimeoutError: It goes on after so many seconds.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(work, seconds))
    finally:
        loop.close()
