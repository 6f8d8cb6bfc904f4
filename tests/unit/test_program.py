"""The program waits for its outputs in a time that does not grow with their square."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pytest
from pulumi.runtime.settings import SETTINGS

from ampere_infra.program import await_outputs, unsettled
from tests.waiting import await_result

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(autouse=True)
def own_outputs() -> Generator[None]:
    outputs = cast("Any", SETTINGS).outputs
    outputs.clear()
    yield
    outputs.clear()


def test_outputs_are_waited_for_together_and_so_are_those_that_come_of_them(
    monkeypatch: pytest.MonkeyPatch,
):
    waits: list[int] = []
    wait = asyncio.wait

    def counted(missing: list[asyncio.Task[object]], return_when: str):
        waits.append(len(missing))
        return wait(missing, return_when=return_when)

    async def work() -> None:
        late: list[pulumi.Output[int]] = []

        def follow(number: int) -> int:
            late.append(pulumi.Output.from_input(asyncio.sleep(0.01, number)))
            return number

        for number in range(20):
            slept = pulumi.Output.from_input(asyncio.sleep(number / 1000, number))
            slept.apply(follow)
        await await_outputs()
        assert len(late) == 20
        assert not unsettled(), "all of them are there"

    monkeypatch.setattr(asyncio, "wait", counted)
    await_result(work())
    assert waits[0] >= 20
    assert len(waits) <= 3, "a wait for each generation, not for each output"


def test_an_output_that_fails_ends_the_wait_for_those_that_never_come():
    async def fail() -> None:
        raise ValueError

    async def work() -> None:
        never = asyncio.get_running_loop().create_future()
        endless, failed = pulumi.Output.from_input(never), pulumi.Output.from_input(fail())
        await await_outputs()
        left = unsettled()
        assert {task.done() for task in left} == {True, False}, "it is Pulumi's to tell"
        never.cancel()
        told = await asyncio.gather(*left, return_exceptions=True)
        assert {type(one) for one in told} == {ValueError, asyncio.CancelledError}
        del endless, failed

    await_result(work())
