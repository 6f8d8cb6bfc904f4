"""Work that goes on beside a test; the first failure ends all of it, and the test."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Beside:
    """Runs each work in a thread of its own."""

    on_failure: Callable[[], None]
    """Is called once, where something has failed: it ends what the test waits for."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set once something has failed, so that the others end, too."""
    failures: list[BaseException] = field(default_factory=list[BaseException])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self, work: Callable[[], None]) -> None:
        """Begin ``work``."""
        thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def check(self) -> None:
        """Raise what has failed first, if anything has."""
        if self.failures:
            raise self.failures[0]

    def finish(self, seconds: float) -> None:
        """Wait for all work to end well, at most so long.

        Raises:
            AssertionError: It goes on.
        """
        end = time.monotonic() + seconds
        while any(thread.is_alive() for thread in self._threads):
            self.check()
            assert time.monotonic() < end, f"what goes on beside has not ended in {seconds:.0f} s"
            time.sleep(0.1)
        self.check()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - raised again where it is seen
            self.failures.append(failure)
            if len(self.failures) == 1:
                self.stop.set()
                self.on_failure()
