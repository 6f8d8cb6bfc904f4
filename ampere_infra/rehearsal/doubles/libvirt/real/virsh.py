"""The real libvirt, asked through ``virsh``."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree as ET

from ampere_infra.rehearsal.doubles.kind import RefusalError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.programs import Programs
    from ampere_infra.rehearsal.reality import Reality

DOCUMENT = "/dev/stdin"
"""Where ``virsh`` finds what it is given to define or to upload."""

_ABSENT = re.compile(
    "(Domain|Network|Storage pool|Storage volume) not found|failed to get (domain|network|pool|vol)"
)
_BUSY = "has asynchronous jobs running"
_BUSY_SECONDS = 120


class VirshError(Exception):
    """What libvirt said, without what ``virsh`` says of itself."""

    @property
    def absent(self) -> bool:
        """Whether the thing asked about is not there."""
        return _ABSENT.match(str(self)) is not None


@dataclass
class Virsh:
    """One libvirtd."""

    reality: Reality
    programs: Programs
    networks: threading.Lock = field(default_factory=threading.Lock)
    """Held while a network is defined: two at once may get one bridge."""
    _pools: dict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict[str, threading.Lock](threading.Lock)
    )

    def __call__(self, *words: str, stdin: str | IO[bytes] = "") -> str:
        """Run a command and return what it prints.

        Raises:
            VirshError: libvirt refuses.
        """
        connect = ("virsh", "--quiet", "--connect", self.reality.libvirt_uri)
        finished = self.programs.run(*connect, *words, stdin=stdin)
        if finished.code:
            raise VirshError(said(finished.stderr))
        return finished.stdout.strip()

    def document(self, *words: str) -> ET.Element | None:
        """Return the XML document that a command prints, or nothing where its subject is not."""
        try:
            return ET.fromstring(self(*words))  # noqa: S314 - libvirt's own
        except VirshError as error:
            if error.absent:
                return None
            raise

    def told(self, *words: str) -> dict[str, str]:
        """Return the ``key: value`` lines that a command prints."""
        pairs = (line.partition(":") for line in self(*words).splitlines())
        return {key.strip(): value.strip() for key, _, value in pairs}

    @contextmanager
    def pool(self, name: str) -> Generator[None]:
        """Hold a pool, on which one acts at a time, as in the provider."""
        with self._pools[name]:
            yield

    def refresh(self, pool: str) -> None:
        """Let libvirt look what is in a pool; wait for others who fill it."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self("pool-refresh", pool)
            except VirshError as error:
                if _BUSY not in str(error) or time.monotonic() > deadline:
                    raise
                self.programs.pause(1)
            else:
                return


def said(stderr: str) -> str:
    """Return libvirt's own words: ``virsh`` says first what it could not do."""
    texts = stderr.strip().removeprefix("error: ").split("\nerror: ")
    return "\n".join(texts[1:] or texts)


@contextmanager
def refusing(prefix: str = "") -> Generator[None]:
    """Pass what libvirt says on as the provider does, ``prefix`` before it."""
    try:
        yield
    except VirshError as error:
        raise RefusalError(f"{prefix}: {error}" if prefix else str(error)) from error
