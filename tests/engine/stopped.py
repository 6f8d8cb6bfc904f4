"""What a killed engine leaves, at many operations of one run: stopped, copied, continued."""

from __future__ import annotations

import filecmp
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ampere_infra.rehearsal.engine import Engine
    from ampere_infra.rehearsal.world import Operation, World


class Stopped:
    """Copies of a folder that the engine writes to, and of the world beside it.

    Between ``SIGSTOP`` and ``SIGCONT`` the engine writes nothing and hears nothing, so what is
    there is what would be there had the signal been ``SIGKILL``: ``check`` compares.
    """

    def __init__(self, folder: Path, vault: Path) -> None:
        self.saved: dict[str, tuple[Path, World]] = {}
        self._folder, self._vault = folder, vault
        self._lock = threading.Lock()
        self._last: Path | None = None

    def at(
        self, engine: Engine, world: World, action: str, urns: list[str]
    ) -> Callable[[Operation], None]:
        """Return what the world calls after each operation; at the last of ``urns`` it kills."""
        wanted, killed = set(urns), threading.Event()

        def after(operation: Operation) -> None:
            with self._lock:
                if killed.is_set() or operation.urn not in wanted or operation.action != action:
                    return
                wanted.discard(operation.urn)
                process = engine.process
                assert process is not None, "an operation runs only while the engine does"
                process.send_signal(signal.SIGSTOP)
                _await_stop(process.pid)
                self._copy(f"{action} {operation.urn}", world)
                process.send_signal(signal.SIGCONT if wanted else signal.SIGKILL)
                if not wanted:
                    killed.set()

        return after

    def _copy(self, name: str, world: World) -> None:
        self._last = self._vault / f"stopped-{len(self.saved)}"
        shutil.copytree(self._folder, self._last)
        self.saved[name] = self._last, world.fork()

    def check(self) -> None:
        """Compare what the killed engine left with the last copy."""
        assert self._last is not None, "nothing was killed"
        mine, others = _files(self._last), _files(self._folder)
        assert mine == others, f"the killed engine left other files: {mine ^ others}"
        assert any("locks" in name for name in mine), "a killed engine leaves its lock"
        _, differ, errors = filecmp.cmpfiles(self._last, self._folder, mine, shallow=False)
        assert (differ, errors) == ([], []), "a killed engine leaves what a stopped one has written"


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _await_stop(pid: int) -> None:
    deadline = time.monotonic() + 60
    while not all(_state(task) in "TtZX" for task in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < deadline, "the engine does not stop"
        time.sleep(0.001)


def _state(task: Path) -> str:
    """Return the letter of a thread's state; one that has ended meanwhile is dead."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
