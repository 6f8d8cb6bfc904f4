"""A master that is replaced on purpose: with its data the same cluster, without them a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from drill import HOME, Drill

from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hypervisor import Hypervisor
from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator

MASTER = "ampere-k8s-master"


def config(**master: Any) -> dict[str, Any]:
    found: dict[str, Any] = read_stack_file(HOME)
    found["ampere:storage"] = {**found["ampere:storage"], "protect_data": False}
    found["ampere:control_plane"] |= {"protect": False, **master}
    return found


@pytest.fixture(scope="module")
def drill() -> Generator[Drill]:
    with Drill() as found:
        found.stage.project.write(config())
        up = found.stage.engine.up()
        assert up.ok, up.output
        found.save("up")
        yield found


@pytest.mark.parametrize(
    ("change", "objects"),
    [({"memory": "8GiB"}, "kept"), ({"data_disk": "40GiB"}, "made anew")],
    ids=["more memory", "another data disk"],
)
def test_all_is_there_again_in_one_run(drill: Drill, change: dict[str, Any], objects: str):
    drill.restore("up")
    cluster, engine = drill.world.part(Cluster), drill.stage.engine
    things, releases = dict(cluster.things), set(cluster.releases)
    born = drill.world.part(Hypervisor).domains[MASTER].uuid
    drill.stage.project.write(config(**change))
    done = engine.up()
    assert done.ok, done.output
    assert drill.world.part(Hypervisor).domains[MASTER].uuid != born, "it is another machine"
    replaced = {s.type for s in done.events.changes if s.op == "replace"}
    anew = "kubernetes:core/v1:Namespace" in replaced
    assert ("made anew" if anew else "kept") == objects
    assert set(cluster.things) == set(things)
    assert set(cluster.releases) == releases
    assert engine.up().changed == 0
