"""The life of a cluster on real machines: reboots, other hardware, a lost worker, and its end.

Run by hand: ``make drills``. The tests are one story on one proving ground, in their order.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.ground.home import ADDRESSES, MASTER, POOL, WORKER
from tests.ground.state import await_nodes, await_ssh

if TYPE_CHECKING:
    from tests.ground.ground import Ground


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
def born(ground: Ground, before: dict[str, str]) -> None:
    """A cluster of two nodes."""
    outcome = ground.up()
    assert outcome.ok, "\n".join(outcome.errors)
    await_nodes(ground, MASTER, WORKER)


def test_a_reboot_of_all_machines_brings_the_cluster_back(ground: Ground, born: None) -> None:
    for machine in ADDRESSES:
        ground.on(machine, "sudo systemctl reboot", check=False)
    time.sleep(20)
    for machine in ADDRESSES:
        await_ssh(ground, machine)
    await_nodes(ground, MASTER, WORKER)
    assert ground.up().changed == 0


def test_the_address_stays_where_the_order_of_interfaces_changes(
    ground: Ground, born: None
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


def test_a_worker_that_was_destroyed_joins_again_under_its_name(ground: Ground, born: None) -> None:
    before = ground.host.virsh("domuuid", WORKER)
    ground.cut_power(WORKER)
    ground.host.virsh("undefine", WORKER)
    outcome = ground.stage.engine.up("--refresh", on_step=ground.tell)
    assert outcome.ok, "\n".join(outcome.errors)
    assert ground.host.virsh("domuuid", WORKER) != before, "it is another machine"
    await_nodes(ground, MASTER, WORKER)


def test_nothing_is_left_on_the_host_after_destroy(
    ground: Ground, born: None, before: dict[str, str]
) -> None:
    ground.stage.engine.unprotect()
    gone = ground.stage.engine.destroy(on_step=ground.tell)
    assert gone.ok, "\n".join(gone.errors)
    assert listed(ground) == before
