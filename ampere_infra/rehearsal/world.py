"""The world that a rehearsal's providers act on: what exists, what was done, what is to fail."""

from __future__ import annotations

import copy
import re
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ampere_infra.rehearsal.reality import ApiServer, Reality


class Part(Protocol):
    """One piece of the world, such as a hypervisor; made from nothing when first asked for."""

    def __init__(self) -> None: ...

    def snapshot(self) -> dict[str, object]:
        """Return what exists, comparable: no random value, no order that depends on time."""
        ...

    def export(self, folder: Path) -> None:
        """Write the files that this piece received below ``folder``, secrets masked."""
        ...

    def forget(self, name: str) -> None:
        """Drop what was on, or in, the thing called ``name``, which another piece lost."""
        ...


P = TypeVar("P", bound=Part)

_WORD = re.compile(r"[A-Za-z0-9+/]{10,}")
_DRAWN = re.compile(r"[A-Za-z0-9]{6,}")


@dataclass(frozen=True)
class Operation:
    """One effective call of the engine: ``number`` counts from 1 over the world's life."""

    number: int
    action: str
    """``create``, ``read``, ``update`` or ``delete``."""
    urn: str
    failed: bool

    @property
    def type(self) -> str:
        """The resource's type token."""
        return self.urn.split("::")[2].split("$")[-1]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Leak:
    """A secret that a provider saw in clear."""

    where: str
    """The call and the property, or the URN."""
    canary: str


@dataclass
class World:
    """Everything outside the engine; shared by all providers of a rehearsal.

    Safe to use from several threads: a provider holds ``lock`` while it reads or changes it.
    """

    canaries: set[str] = field(default_factory=set[str])
    """Texts that must never be seen outside a secret."""
    on_operation: Callable[[Operation], None] | None = None
    """Called after an operation's effect and before the engine hears of it."""
    before_failure: Callable[[Operation], None] | None = None
    """Called before an operation that is to fail does so; the others go on meanwhile."""
    operations: list[Operation] = field(default_factory=list[Operation])
    leaks: list[Leak] = field(default_factory=list[Leak])
    invocations: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Functions called outside of any resource: token and a summary of the arguments."""
    warnings: list[str] = field(default_factory=list[str])
    """What a real API server warned of."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    reality: Reality | None = None
    """The host that libvirt and SSH act on; None: one in memory."""
    api_server: ApiServer | None = None
    """Where objects and releases are; None: in memory."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _made: set[str] = field(default_factory=set[str], repr=False)
    _drawn: set[str] = field(default_factory=set[str], repr=False)
    _parts: dict[type, Part] = field(default_factory=dict[type, Part], repr=False)
    _to_fail: set[int] = field(default_factory=set[int], repr=False)
    _to_fail_by_name: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], repr=False)

    def part(self, kind: type[P]) -> P:
        """Return the world's one piece of ``kind``."""
        with self.lock:
            found = self._parts.get(kind)
            if not isinstance(found, kind):
                found = self._parts[kind] = kind()
            return found

    def advance(self, span: timedelta) -> None:
        """Move the clock, which certificates' validity follows."""
        self.now += span

    def fail(self, number: int) -> None:
        """Let the ``number``-th operation from now fail, once (1 is the next)."""
        with self.lock:
            self._to_fail.add(len(self.operations) + number)

    def fail_at(self, action: str, name: str) -> None:
        """Let the next ``action`` on the resource of that URN or name fail, once."""
        with self.lock:
            self._to_fail_by_name.add((action, name))

    def fail_no_more(self) -> None:
        """Forget what is still to fail."""
        with self.lock:
            self._to_fail.clear()
            self._to_fail_by_name.clear()

    @contextmanager
    def operation(self, action: str, urn: str, *, alone: bool = True) -> Generator[bool]:
        """Number an operation; the value tells whether it is to fail half-way.

        What acts on the pieces of this world is to be ``alone`` while it does.
        """
        with self.lock:
            number = len(self.operations) + 1
            fails = number in self._to_fail
            self._to_fail.discard(number)
            for key in ((action, urn), (action, urn.split("::", 3)[3])):
                fails = fails or key in self._to_fail_by_name
                self._to_fail_by_name.discard(key)
            operation = Operation(number, action, urn, fails)
            self.operations.append(operation)
        if fails and self.before_failure is not None:
            self.before_failure(operation)
        try:
            with self.lock if alone else nullcontext():
                yield fails
        finally:
            if self.on_operation is not None:
                self.on_operation(operation)

    def draw(self, *words: str) -> None:
        """Note what a provider drew at random in public: snapshots leave it out."""
        self._drawn.update(words)

    def guard(self, secret: str) -> None:
        """Watch for a secret that a provider made.

        Its longest line without punctuation is what is looked for, as a word of its own: that
        stays quick when there are many.
        """
        words = _WORD.findall(secret)
        if words:
            self._made.add(max(words, key=len))

    def watch(self, where: str, texts: list[str]) -> None:
        """Record a leak for each secret that stands in ``texts``."""
        whole = "\n".join(texts)
        found = [canary for canary in self.canaries if canary in whole]
        if self._made:
            found += self._made.intersection(_WORD.findall(whole))
        with self.lock:
            self.leaks += [Leak(where, canary) for canary in found]

    def fork(self) -> World:
        """Return a world of its own in which the same things exist; its history begins anew."""
        with self.lock:
            parts = copy.deepcopy(self._parts)
        secrets = set(self.canaries)
        made, drawn = set(self._made), set(self._drawn)
        return World(
            canaries=secrets,
            now=self.now,
            reality=self.reality,
            api_server=self.api_server,
            _made=made,
            _drawn=drawn,
            _parts=parts,
        )

    def forget(self, *gone: str) -> None:
        """Tell every piece that things are gone, by whatever names others know them."""
        with self.lock:
            for part in self._parts.values():
                for name in gone:
                    part.forget(name)

    def snapshot(self) -> dict[str, dict[str, object]]:
        """Return all that exists, comparable with another run's."""
        with self.lock:
            parts = {kind.__name__: part.snapshot() for kind, part in self._parts.items()}
            found = {
                name: {kind: self._without_drawn(things) for kind, things in part.items()}
                for name, part in sorted(parts.items())
            }
        return {name: part for name, part in found.items() if part}

    def _without_drawn(self, value: object) -> object:
        """Return ``value`` with each word that a provider drew at random replaced."""
        if isinstance(value, str):
            return _DRAWN.sub(lambda m: "<drawn>" if m[0] in self._drawn else m[0], value)
        if isinstance(value, list | tuple):
            return [self._without_drawn(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {str(self._without_drawn(key)): self._without_drawn(item) for key, item in items}
        return value

    @property
    def empty(self) -> bool:
        """Whether nothing exists."""
        return not self.snapshot()

    def export(self, folder: Path) -> None:
        """Write every rendered file that providers received below ``folder``, secrets masked."""
        with self.lock:
            for part in self._parts.values():
                part.export(folder)
