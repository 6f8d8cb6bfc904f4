"""A slow way to a program: what passes through it arrives later."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager
from typing import Self, cast


class Delay(AbstractContextManager["Delay"]):
    """A port of loopback that leads to another, where each answer takes ``seconds`` longer.

    Half of the time passes on the way there. What is sent is not held up by what was sent before:
    it is a long way, not a narrow one. ``seconds`` may be changed at any time.
    """

    def __init__(self, target: int, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.ends: set[asyncio.Transport] = set()
        """All that is connected."""
        self.held_up = 0
        """Bytes that took longer."""
        self._target = target
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        begun = self.loop.create_server(lambda: _End(self, leads_on=True), "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(begun, self.loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *details: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def connected(self) -> tuple[asyncio.Transport, _End]:
        """Connect to where the way leads."""
        return await self.loop.create_connection(
            lambda: _End(self, leads_on=False), "127.0.0.1", self._target
        )

    async def _stop(self) -> None:
        self._server.close()
        while self.ends:
            for end in self.ends:
                end.abort()
            await asyncio.sleep(0.05)


class _End(asyncio.Protocol):
    """One end of a connection; ``other`` is its other end, once that is there."""

    def __init__(self, way: Delay, *, leads_on: bool) -> None:
        self.way = way
        self.leads_on = leads_on
        self.other: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.way.ends.add(self.transport)
        if self.leads_on:
            self._connecting = self.way.loop.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self._pass_on(self.other, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.way.ends.discard(self.transport)
        if self.other is not None:
            self.way.loop.call_later(self.way.seconds / 2, self.other.close)

    async def _connect(self) -> None:
        try:
            self.other, there = await self.way.connected()
        except OSError:
            self.transport.abort()
            return
        there.other = self.transport
        for data in self._early:
            self._pass_on(self.other, data)

    def _pass_on(self, other: asyncio.Transport, data: bytes) -> None:
        self.way.held_up += len(data) if self.way.seconds else 0
        self.way.loop.call_later(self.way.seconds / 2, other.write, data)
