"""The home stack on real machines, half-way: to their packages, interrupted, and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.inspection import check_cloud_init, check_doors, check_host_key
from tests.ground.leftovers import made_on
from tests.waiting import await_true

if TYPE_CHECKING:
    from ampere_infra.rehearsal.engine import Outcome
    from tests.ground.ground import Ground

LIMIT = 1800
EARNED = ("OS_READY", "PACKAGES_INSTALLED")
PAUSE = 10
"""Seconds between two logins, each of which costs an emulated machine one of its own."""


@pytest.fixture(scope="module")
def before(ground: Ground) -> dict[str, str]:
    """What the host had before anything was made on it."""
    return made_on(ground.host)


@pytest.fixture(scope="module")
def born(ground: Ground, before: dict[str, str]) -> Outcome:
    """An ``up`` that was interrupted once both machines had their packages."""

    def earned(node: str, marker: str) -> bool:
        assert not made.done(), "\n".join(made.result().errors)
        return ground.knows(node) and marker in ground.markers(node)

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(ground.up)
        try:
            await_true(lambda: ground.knows(WORKER), f"host key of {WORKER}", LIMIT)
            ground.cut_power(WORKER)
            ground.say(f"{WORKER}: power cut, just when its host key was told")
            ground.give_power(WORKER)
            for marker, node in product(EARNED, ADDRESSES):
                await_true(lambda n=node, m=marker: earned(n, m), marker, LIMIT, PAUSE)
                ground.say(f"{node}: {marker}")
        finally:
            ground.stage.engine.interrupt()
        return made.result()


def test_machines_boot_and_install_their_packages(ground: Ground, born: Outcome) -> None:
    for node in ADDRESSES:
        assert ground.markers(node).keys() >= {*EARNED}, node
    made = {step.name for step in born.events.done}
    seen = {f"{WORKER}-os-ready", f"{MASTER}-os-ready", f"{MASTER}-pki"}
    assert made >= seen, "the gates have seen the markers"


def test_a_host_key_that_was_told_outlives_a_power_cut_in_that_moment(
    ground: Ground, born: Outcome
) -> None:
    check_host_key(ground, WORKER)


@pytest.mark.parametrize("machine", ADDRESSES)
def test_a_machine_is_entered_by_key_only_and_holds_no_secret_of_cloud_inits(
    ground: Ground, born: Outcome, machine: str
) -> None:
    check_doors(ground, machine)
    check_cloud_init(ground, machine)


def test_destroy_leaves_nothing_of_an_interrupted_up(
    ground: Ground, born: Outcome, before: dict[str, str]
) -> None:
    ground.stage.engine.unprotect()
    gone = ground.stage.engine.destroy(on_step=ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert made_on(ground.host) == before
