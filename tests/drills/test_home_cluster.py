"""The home stack on real machines: from nothing to a cluster by one ``pulumi up``; by hand.

The tests are one story on one proving ground, in their order.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ampere_infra.rehearsal.leaks import canaries, generated
from tests.ground.home import ADDRESSES, MASTER, WORKER
from tests.ground.state import await_nodes, expected, settled
from tests.ground.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

MARKERS = {
    MASTER: {"OS_READY", "PACKAGES_INSTALLED", "CONTROL_PLANE_CREATED", "API_STABLE"},
    WORKER: {"OS_READY", "PACKAGES_INSTALLED", "NODE_JOINED"},
}


@pytest.fixture(scope="module")
def born(ground: Ground) -> Timeline:
    """The cluster, made by one ``pulumi up``."""
    timeline = Timeline()
    outcome = ground.up()
    assert outcome.ok, "\n".join([*outcome.errors, ground.console(MASTER)[-3000:]])
    ground.say(f"up: {outcome.events.counts['create']} created in {outcome.seconds:.0f} s")
    for machine in (MASTER, WORKER):
        timeline.look(ground, machine)
    return timeline


def test_one_up_makes_a_cluster_of_two_nodes(
    ground: Ground, born: Timeline, say: Callable[[str], None]
) -> None:
    for line in born.lines():
        say(line)
    if folder := os.environ.get("AMPERE_TIMELINE"):
        Path(folder, "timeline.svg").write_text(born.svg("From `pulumi up` to every marker"))
    for machine, markers in MARKERS.items():
        assert ground.markers(machine).keys() >= markers, machine
    await_nodes(ground, MASTER, WORKER)
    assert settled(ground) == expected()


def test_a_second_up_changes_nothing(ground: Ground, born: Timeline) -> None:
    again = ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def test_a_machine_is_entered_by_key_only_and_not_as_root(ground: Ground, born: Timeline) -> None:
    for machine, address in ADDRESSES.items():
        login = ground.settings.cluster.login
        ask = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        none = ("-o", "PreferredAuthentications=none", "-o", "BatchMode=yes")
        refused = ground.host.run(*ask, *none, f"{login}@{address}", "true", check=False)
        assert "(publickey)" in refused.stderr, f"{machine} offers nothing but keys"
        key = ("-i", str(ground.key()), "-o", "BatchMode=yes")
        root = ground.host.run(*ask, *key, f"root@{address}", "true", check=False)
        assert root.returncode == 255, f"{machine} lets root in"
        shadow = ground.on(machine, "sudo cut -d: -f1,2 /etc/shadow").stdout
        open_ = [line for line in shadow.splitlines() if line.split(":")[1][:1] not in "!*"]
        assert not open_, f"{machine}: no account has a password"


def test_nothing_secret_is_in_what_cloud_init_left(ground: Ground, born: Timeline) -> None:
    state = ground.stage.engine.export(show_secrets=True)
    kept = ground.stage.project.secrets.items()
    sought = [*generated(state), *(c for item in kept for c in canaries(*item))]
    patterns = "".join(f"{canary.text}\n" for canary in sought)
    assert len(sought) > 20, "the state has secrets to look for"
    look = "sudo grep -rlFf - /var/log/cloud-init.log /var/log/cloud-init-output.log"
    for machine in ADDRESSES:
        found = ground.on(
            machine, f"{look} /var/lib/cloud /run/cloud-init", stdin=patterns, check=False
        )
        assert found.returncode == 1, f"{machine}: {found.stdout}{found.stderr}"
