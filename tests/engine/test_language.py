"""This process as the engine's language host."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from ampere_infra.rehearsal.language import _channel, _drain, _on_stray

METHOD = "/engine/Hello"


def engine(port: int) -> tuple[Any, int]:
    answer = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 1)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("engine", {"Hello": answer}),)
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def test_an_engine_on_the_port_of_one_that_died_is_reached_at_once():
    dead, port = engine(0)
    before = _channel(f"127.0.0.1:{port}")
    assert before.unary_unary(METHOD)(b"one") == b"one"
    dead.stop(0).wait()
    with pytest.raises(grpc.RpcError):
        before.unary_unary(METHOD)(b"nobody there")
    alive, same = engine(port)
    assert same == port
    with _channel(f"127.0.0.1:{port}") as after:
        assert after.unary_unary(METHOD)(b"two") == b"two"
    before.close()
    alive.stop(0).wait()


def test_calls_that_fail_when_they_are_cut_off_keep_no_program_from_ending():
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_on_stray)

    async def call() -> None:
        try:
            await loop.run_in_executor(None, lambda: None)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise grpc.RpcError from None

    calls = [loop.create_task(call()) for _ in range(3)]
    loop.run_until_complete(asyncio.sleep(0.1))
    assert not any(task.done() for task in calls)
    calls.clear()
    _drain(loop)
    assert loop.is_closed()
