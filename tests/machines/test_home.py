"""The home stack on real machines: from nothing to a cluster, through what happens in a home.

The tests are one story on one proving ground, in their order.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from ampere_infra.rehearsal.leaks import canaries, generated
from tests.ground.home import ADDRESSES, MASTER, POOL, WORKER
from tests.ground.state import await_nodes, await_ssh, expected, settled
from tests.ground.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ground.ground import Ground

MARKERS = {
    MASTER: {"OS_READY", "PACKAGES_INSTALLED", "CONTROL_PLANE_CREATED", "API_STABLE"},
    WORKER: {"OS_READY", "PACKAGES_INSTALLED", "NODE_JOINED"},
}


def listed(ground: Ground) -> dict[str, str]:
    """What the host has: all that ``destroy`` must take away again."""
    words = {
        "domains": "list --all --name",
        "networks": "net-list --all --name",
        "pools": "pool-list --all --name",
    }
    found = {name: ground.host.virsh(*text.split()) for name, text in words.items()}
    pool = Path(f"{ground.host.folder}{POOL}")
    leases = sorted(ground.host.folder.glob("var/lib/libvirt/dnsmasq/*"))
    return found | {
        "links": ground.host.run("ip", "-brief", "link").stdout,
        "rules": rules(ground),
        "volumes": str(sorted(pool.iterdir()) if pool.exists() else []),
        "leases": str([path.name for path in leases]),
        "cache": str(sorted(ground.host.home.rglob("*"))),
    }


def rules(ground: Ground) -> str:
    """The firewall's rules, without libvirt's own chains, which stay for the next network."""
    saved = ground.host.run("iptables-save").stdout.splitlines()
    return "\n".join(line for line in saved if ADDRESSES[MASTER].rpartition(".")[0] in line)


@pytest.fixture(scope="module")
def before(ground: Ground) -> dict[str, str]:
    """What the host had before anything was made on it."""
    return listed(ground)


@pytest.fixture(scope="module")
def born(ground: Ground, before: dict[str, str]) -> Timeline:
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


def test_a_reboot_of_all_machines_brings_the_cluster_back(ground: Ground, born: Timeline) -> None:
    for machine in ADDRESSES:
        ground.on(machine, "sudo systemctl reboot", check=False)
    time.sleep(20)
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0


def test_the_address_stays_where_the_order_of_interfaces_changes(
    ground: Ground, born: Timeline
) -> None:
    xml = ET.fromstring(ground.host.virsh("dumpxml", "--inactive", WORKER))
    devices = xml.find("devices")
    assert devices is not None
    own = devices.find("interface")
    assert own is not None
    stranger = ET.fromstring(
        "<interface type='network'><source network='ground'/><model type='virtio'/></interface>"
    )
    devices.insert(list(devices).index(own), stranger)
    for address in devices.iter("address"):
        if address.get("type") == "pci":
            address.attrib.clear()
            address.set("type", "pci")
    file = ground.folder / "swapped.xml"
    file.write_text(ET.tostring(xml, encoding="unicode"))
    original = ground.folder / "original.xml"
    original.write_text(ground.host.virsh("dumpxml", "--inactive", WORKER))
    ground.cut_power(WORKER)
    ground.host.virsh("define", str(file))
    ground.give_power(WORKER)
    await_ssh(ground, WORKER)
    told = ground.on(WORKER, "ip -brief address show").stdout
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert ADDRESSES[WORKER] in lines["lan0"], told
    assert len(lines) >= 3, "the stranger is there, and has another name"
    ground.cut_power(WORKER)
    ground.host.virsh("define", str(original))
    ground.give_power(WORKER)
    await_ssh(ground, WORKER)


def test_a_worker_that_was_destroyed_joins_again_under_its_name(
    ground: Ground, born: Timeline
) -> None:
    before = ground.host.virsh("domuuid", WORKER)
    ground.cut_power(WORKER)
    ground.host.virsh("undefine", WORKER)
    outcome = ground.stage.engine.up("--refresh", on_step=ground.tell)
    assert outcome.ok, "\n".join(outcome.errors)
    assert ground.host.virsh("domuuid", WORKER) != before, "it is another machine"
    await_nodes(ground, MASTER, WORKER)


def test_nothing_is_left_on_the_host_after_destroy(
    ground: Ground, born: Timeline, before: dict[str, str]
) -> None:
    ground.stage.engine.unprotect()
    gone = ground.stage.engine.destroy(on_step=ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert listed(ground) == before
