"""The api stack on a real server: from nothing to an API that takes workloads by one ``pulumi up``.

Run by hand: ``make drills``. The tests are one story on one proving ground, in their order.
``AMPERE_TIMELINE=FOLDER`` has the way to the cluster drawn there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ampere_infra.bootstrap.node_files import PAUSE_IMAGE
from ampere_infra.rehearsal.places.hetzner import HetznerCloud
from ampere_infra.rehearsal.places.seeds import unpacked
from tests.ground.datacenter import METADATA, POOL
from tests.ground.inspection import check_cloud_init, check_doors, check_host_key, secrets_of
from tests.ground.public import SERVER
from tests.ground.state import await_nodes
from tests.ground.timeline import Timeline
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

MARKERS = {"OS_READY", "PACKAGES_INSTALLED", "CONTROL_PLANE_CREATED", "API_STABLE"}
GATES = ("host-key", "os-ready", "pki", "control-plane-created", "api-stable")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "workload"},
    "spec": {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65535,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "pause",
                "image": f"registry.k8s.io/pause:{PAUSE_IMAGE}",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}
"""A pod that tolerates nothing, of an image that every node has."""
SECONDS = 1800
"""An emulated control plane that is short of time is restarted by its kubelet, and comes back."""
ASK = f"import urllib.request as r; print(r.urlopen('http://{METADATA}/hetzner/v1/%s').read().decode())"


@pytest.fixture(scope="module")
def born(public_ground: Ground) -> Timeline:
    """The cluster, made by one ``pulumi up``."""
    timeline = Timeline()
    outcome = public_ground.up()
    said = public_ground.console(SERVER)[-3000:]
    assert outcome.ok, "\n".join([*outcome.errors, said])
    count = outcome.events.counts["create"]
    public_ground.say(f"up: {count} created in {outcome.seconds:.0f} s")
    names = {step.name for step in outcome.events.done}
    assert names >= {f"{SERVER}-{gate}" for gate in GATES}, "each stage was awaited"
    timeline.follow(outcome.events)
    timeline.look(public_ground, SERVER)
    return timeline


def test_one_up_makes_a_cluster_of_the_one_server(
    public_ground: Ground, born: Timeline, say: Callable[[str], None]
) -> None:
    born.show(say, "timeline-api.svg", "From `pulumi up` to every marker, on one server")
    assert public_ground.markers(SERVER).keys() >= MARKERS
    await_nodes(public_ground, SERVER)


def test_the_server_was_told_who_it_is_as_at_hetzner(public_ground: Ground, born: Timeline) -> None:
    told = json.loads(public_ground.on(SERVER, "cat /run/cloud-init/result.json").stdout)["v1"]
    assert told["datasource"].startswith("DataSourceHetzner"), told
    assert told["errors"] == []
    server = next(public_ground.stage.world.part(HetznerCloud).servers())
    instance = public_ground.on(SERVER, "cat /var/lib/cloud/data/instance-id").stdout
    assert instance.strip() == str(server.id)


def test_what_any_pod_can_ask_for_is_the_user_data_and_holds_no_secret(
    public_ground: Ground, born: Timeline
) -> None:
    rendered = public_ground.recorded(f"{SERVER}-user-data")["output"]
    answered = public_ground.on(SERVER, f'python3 -c "{ASK % "userdata"}"').stdout.strip()
    assert unpacked(answered, SERVER).user_data == rendered, "what the stack rendered, no more"
    sought = secrets_of(public_ground)
    assert not [canary.name for canary in sought if canary.text in rendered]


def test_nothing_secret_is_in_what_cloud_init_left(public_ground: Ground, born: Timeline) -> None:
    check_cloud_init(public_ground, SERVER)


def test_the_host_key_of_the_first_contact_is_the_servers_own(
    public_ground: Ground, born: Timeline
) -> None:
    check_host_key(public_ground, SERVER)


def test_the_server_is_entered_by_key_only_and_not_as_root(
    public_ground: Ground, born: Timeline
) -> None:
    check_doors(public_ground, SERVER)


def test_the_only_node_takes_a_pod_that_tolerates_nothing(
    public_ground: Ground, born: Timeline
) -> None:
    node: dict[str, Any] = json.loads(public_ground.kubectl("get", "nodes", "--output=json"))
    (found,) = node["items"]
    taints = found["spec"].get("taints", [])
    assert not [taint for taint in taints if "control-plane" in taint["key"]]
    excluded = "node.kubernetes.io/exclude-from-external-load-balancers"
    assert excluded not in found["metadata"]["labels"], "Cilium would give no Service its address"
    file = public_ground.folder / "pod.yaml"
    file.write_text(yaml.safe_dump(POD))
    public_ground.kubectl("apply", f"--filename={file}")
    phase = ("get", "pod", "workload", "--output=jsonpath={.status.phase}")
    await_true(
        lambda: public_ground.kubectl(*phase, check=False) == "Running", "running pod", SECONDS, 15
    )


def test_a_second_up_changes_nothing(public_ground: Ground, born: Timeline) -> None:
    again = public_ground.up()
    assert again.ok, again.output
    assert again.changed == 0, again.events.changes


def test_no_machine_is_left_after_destroy(public_ground: Ground, born: Timeline) -> None:
    gone = public_ground.stage.engine.destroy(on_step=public_ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert public_ground.host.virsh("list", "--all", "--name").split() == []
    assert public_ground.host.virsh("vol-list", POOL).split() == []
