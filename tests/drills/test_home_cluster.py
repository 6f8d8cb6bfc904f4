"""The home stack on real machines, undisturbed: from nothing to a cluster by one ``pulumi up``.

Run by hand: ``make drills``. The tests are one story on one proving ground, in their order.
``AMPERE_TIMELINE=FOLDER`` has the way to the cluster drawn there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.inspection import check_cloud_init, check_doors
from tests.ground.state import await_nodes, expected, settled
from tests.ground.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

MARKERS = {
    MASTER: {"OS_READY", "PACKAGES_INSTALLED", "CONTROL_PLANE_CREATED", "API_STABLE"},
    WORKER: {"OS_READY", "PACKAGES_INSTALLED", "NODE_JOINED"},
}


GOAL = 1.3
"""At most so much longer is the way to a cluster than what it cannot do without."""


@pytest.fixture(scope="module")
def born(ground: Ground) -> Timeline:
    """The cluster, made by one ``pulumi up``."""
    timeline = Timeline()
    outcome = ground.up()
    assert outcome.ok, "\n".join([*outcome.errors, ground.console(MASTER)[-3000:]])
    ground.say(f"up: {outcome.events.counts['create']} created in {outcome.seconds:.0f} s")
    timeline.follow(outcome.events)
    for machine in (MASTER, WORKER):
        timeline.look(ground, machine)
    return timeline


def test_one_up_makes_a_cluster_of_two_nodes(
    ground: Ground, born: Timeline, say: Callable[[str], None]
) -> None:
    born.show(say, "timeline.svg", "From `pulumi up` to every marker")
    for machine, markers in MARKERS.items():
        assert ground.markers(machine).keys() >= markers, machine
    await_nodes(ground, MASTER, WORKER)
    assert settled(ground) == expected()


def test_hardly_any_second_goes_to_anything_but_boot_packages_init_and_join(
    born: Timeline, say: Callable[[str], None]
) -> None:
    taken, alone = born.taken(MASTER, WORKER)
    say(f"from power on to NODE_JOINED: {taken:.0f} s, {taken / alone:.2f} times {alone:.0f} s")
    assert taken <= GOAL * alone


def test_a_second_up_changes_nothing(ground: Ground, born: Timeline) -> None:
    again = ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def test_a_machine_is_entered_by_key_only_and_not_as_root(ground: Ground, born: Timeline) -> None:
    for machine in ADDRESSES:
        check_doors(ground, machine)


def test_nothing_secret_is_in_what_cloud_init_left(ground: Ground, born: Timeline) -> None:
    for machine in ADDRESSES:
        check_cloud_init(ground, machine)
