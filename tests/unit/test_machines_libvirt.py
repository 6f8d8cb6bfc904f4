"""Machines on libvirt: each of the provider's traps is a test."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from bootstrap_cases import home_settings
from machines_cases import (
    BORN,
    COMMAND,
    DOMAIN,
    NETWORK,
    NODE_KEY,
    POOL,
    USER_KEY,
    VOLUME,
    Site,
    build,
    host,
    spec,
)

from ampere_infra.machines.libvirt import DATA_DEVICE
from ampere_infra.machines.libvirt.kept import differences
from ampere_infra.machines.libvirt.leftovers import AT_ONCE, Leftovers
from ampere_infra.machines.libvirt.site import bridge_name
from ampere_infra.machines.piped import piped
from ampere_infra.settings.mac import mac
from tests.waiting import await_result

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = home_settings()
NODE = "ampere-k8s-node1"
WORKER = spec(HOME, NODE)
SECRET = "4dabf18193072939515e22adb298388d"


@pytest.fixture(autouse=True)
def in_a_project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


@functools.cache
def usual() -> Site:
    """One worker as the home stack's own settings want it."""
    return build(WORKER)


def domain(site: Site) -> Any:
    return site.of(DOMAIN)[NODE]


# The image that cloud-init reads


def test_the_seed_is_declared_as_libvirt_reads_it_back():
    assert usual().asked[f"{NODE}-seed"].inputs["format"] == "iso", (
        "anything else replaces volume and machine at every run"
    )


def test_the_provider_makes_no_cloud_init_disk():
    asked = usual()
    assert "libvirt:index/cloudInitDisk:CloudInitDisk" not in {a.type for a in asked.asked.values()}
    assert "cloudinit" not in domain(asked).inputs, "mkisofs is not there on Windows"


def test_what_a_seed_says_is_in_its_name():
    first, again = usual(), usual()
    other = build(WORKER, born=replace(BORN, identity="ffffffffffff"))
    name = "name"
    seed = f"{NODE}-seed"
    assert first.asked[seed].inputs[name] == again.asked[seed].inputs[name]
    assert first.asked[seed].inputs[name] != other.asked[seed].inputs[name], (
        "the provider does not look at what is in the source"
    )


def test_another_address_is_another_seed():
    moved = replace(WORKER, nic=replace(WORKER.nic, mac="52:54:00:00:00:01"))
    seed = f"{NODE}-seed"
    assert usual().asked[seed].inputs["name"] != build(moved).asked[seed].inputs["name"]


def test_facts_of_birth_change_the_text_and_no_name():
    newer = replace(BORN, text="#cloud-config\npackages: [kubelet=9]\n")
    seed = f"{NODE}-seed"
    assert usual().asked[seed].inputs == build(WORKER, born=newer).asked[seed].inputs


def test_the_seeds_source_is_a_file_below_the_project():
    source = build(WORKER).asked[f"{NODE}-seed"].inputs["source"]
    assert not Path(source).is_absolute(), "the state is the same whoever runs the program"
    assert "\\" not in source
    assert Path(source).stat().st_size > 0


# Volumes


def test_a_volume_has_a_size_or_a_source_and_never_both():
    for name, volume in usual().of(VOLUME).items():
        assert ("size" in volume.inputs) != ("source" in volume.inputs), name


def test_the_root_is_laid_over_the_base_image_with_a_size_of_its_own():
    root = usual().asked[f"{NODE}-root"]
    assert root.inputs["baseVolumeName"] == f"base-{HOME.image.sha256[:12]}.qcow2"
    assert root.inputs["size"] == WORKER.root_disk
    assert "site-base-image" in root.dependencies, "the image is whole before a disk is on it"


def test_another_birth_has_a_fresh_root():
    root = f"{NODE}-root"
    first = usual().asked[root].inputs["name"]
    assert first != build(WORKER, born=replace(BORN, identity="f" * 12)).asked[root].inputs["name"]
    image = HOME.image.model_copy(update={"sha256": "f" * 64})
    assert first != build(WORKER, image=image).asked[root].inputs["name"]


def test_a_data_volume_outlives_every_birth_and_is_protected():
    data = f"{NODE}-data"
    first = usual().asked[data]
    other = build(WORKER, born=replace(BORN, identity="f" * 12)).asked[data]
    assert first.inputs == other.inputs
    assert first.options.protect, "a changed size would replace it, and its data"
    assert not build(replace(WORKER, protect_data=False)).asked[data].options.protect


def test_a_volume_never_takes_the_one_over_that_it_replaces():
    for volume in usual().of(VOLUME).values():
        assert volume.options.deleteBeforeReplace


def test_an_upload_that_broke_off_is_done_again():
    seed = usual().asked[f"{NODE}-seed"]
    assert list(seed.options.replaceOnChanges) == ["#initerror"], (
        "the provider records half an image, and would never look at it again"
    )


def test_every_volume_goes_before_the_sweep():
    for volume in usual().of(VOLUME).values():
        assert "site-base-image" in volume.dependencies


# The machine


def test_the_disks_are_in_the_order_that_the_guest_sees():
    disks = [disk["volumeId"] for disk in domain(usual()).inputs["disks"]]
    assert disks == [f"{NODE}-{kind}-id" for kind in ("root", "seed", "data")]
    assert DATA_DEVICE == "/dev/vdc"


def test_no_lease_is_waited_for_and_no_agent():
    inputs = domain(usual()).inputs
    assert "waitForLease" not in inputs["networkInterfaces"][0], "it hangs on bridges"
    assert "addresses" not in inputs["networkInterfaces"][0], "they are in the network-config"
    assert inputs["qemuAgent"] is False, "it hangs where a machine is not running"


def test_what_a_refresh_reads_differently_is_ignored():
    site = usual()
    assert list(domain(site).options.ignoreChanges) == ["networkInterfaces[*].addresses"]
    assert list(site.asked["site-network"].options.ignoreChanges) == ["dhcp"]


def test_a_mac_address_is_declared_as_it_is_read_back():
    interface = domain(usual()).inputs["networkInterfaces"][0]
    assert interface["mac"] == mac("ampere-k8s", NODE).upper()


def test_what_the_provider_only_says_it_changes_replaces_the_machine():
    assert set(domain(usual()).options.replaceOnChanges) == {
        "disks[*].volumeId",
        *(f"networkInterfaces[*].{name}" for name in ("mac", "bridge", "networkName")),
    }


def test_a_machines_screen_needs_no_package_and_is_for_the_host_alone():
    graphics = domain(usual()).inputs["graphics"]
    assert graphics == {"type": "vnc", "listenType": "address"}, "the address is 127.0.0.1"


def test_a_machine_says_whose_it_is_and_starts_with_its_host():
    inputs = domain(usual()).inputs
    assert inputs["description"] == f"ampere-infra:ampere-k8s/{NODE}"
    assert inputs["autostart"] is True
    assert inputs["machine"] == "pc"
    assert inputs["cpu"] == {"mode": "host-passthrough"}
    assert inputs["consoles"][0]["type"] == "pty", "cloud images write to the serial console"
    assert inputs["memory"] == 6 * 1024, "libvirt counts MiB"


def test_a_machine_is_deleted_before_its_successor_takes_its_name():
    assert domain(usual()).options.deleteBeforeReplace


# What a change of user-data does


def protected(site: Site) -> set[str]:
    return {name for name, asked in site.asked.items() if asked.options.protect} - {"site-network"}


def test_a_worker_is_replaced_by_its_user_data():
    site = usual()
    assert protected(site) == {f"{NODE}-data"}
    assert not list(site.asked[f"{NODE}-seed"].options.ignoreChanges)
    assert not list(site.asked[f"{NODE}-root"].options.ignoreChanges)


def test_a_machine_that_is_kept_does_not_see_its_user_data_change():
    site = build(spec(HOME, NODE, "keep"))
    assert list(site.asked[f"{NODE}-seed"].options.ignoreChanges) == ["name", "source"]
    assert list(site.asked[f"{NODE}-root"].options.ignoreChanges) == ["name", "baseVolumeName"]
    assert not list(site.asked[f"{NODE}-data"].options.ignoreChanges)


def test_what_a_kept_machine_was_born_with_is_said():
    seed, base = f"{NODE}-seed-0123456789ab-aaaaaa.iso", "base-1.qcow2"
    assert not differences(seed, "0123456789ab-aaaaaa", base, base)
    assert not differences(seed, "ffffffffffff-aaaaaa", base, base), (
        "user-data is the bootstrap's to compare"
    )
    (network,) = differences(seed, "0123456789ab-bbbbbb", base, base)
    assert "born with aaaaaa, now bbbbbb" in network
    (image,) = differences(seed, "0123456789ab-aaaaaa", base, "base-2.qcow2")
    assert "image.sha256" in image


def test_a_machine_that_refuses_is_protected_and_sees_its_user_data_change():
    site = build(spec(HOME, NODE, "refuse"))
    assert protected(site) == {NODE, f"{NODE}-root", f"{NODE}-data"}, (
        "the seed itself is not, so that one that was cut is healed; the machine in it stops a plan"
    )
    assert not list(site.asked[f"{NODE}-seed"].options.ignoreChanges)


def test_the_master_and_its_root_are_protected():
    site = build(replace(spec(HOME, NODE, "keep"), protect=True))
    assert protected(site) == {NODE, f"{NODE}-root", f"{NODE}-data"}


# The host


def test_pool_network_and_machine_carry_the_clusters_name():
    site = usual()
    for type_ in (POOL, NETWORK):
        (asked,) = site.of(type_).values()
        assert asked.inputs["name"] == "ampere-k8s"


def test_the_natted_network_gives_no_addresses_and_is_protected():
    network = usual().asked["site-network"]
    assert network.inputs["dhcp"] == {"enabled": False}
    assert network.inputs["addresses"] == ["10.10.10.0/24"]
    assert network.inputs["bridge"] == bridge_name("ampere-k8s")
    assert network.options.protect
    assert not build(WORKER, protect=False).asked["site-network"].options.protect


def test_a_bridges_name_fits_linux():
    assert len(bridge_name("a" * 63)) <= 15
    assert bridge_name("a") != bridge_name("b")


def test_on_a_bridge_libvirt_makes_no_network_and_nodes_need_no_proxy():
    network = HOME.network.model_copy(update={"mode": "bridge", "bridge": "br0"})
    site = build(WORKER, network=network)
    assert not site.of(NETWORK)
    (interface,) = domain(site).inputs["networkInterfaces"]
    assert interface["bridge"] == "br0"
    assert "networkName" not in interface
    assert not proxied(site)


def proxied(site: Site) -> bool:
    connection: Any = site.machines[NODE].connection
    return connection.proxy is not None


def test_behind_nat_nodes_are_reached_through_the_host():
    assert proxied(usual())


def test_the_host_is_checked_before_libvirt_is_asked_for_anything():
    site = usual()
    assert "site-preflight" in site.asked["site-libvirt"].dependencies
    for kind in (VOLUME, DOMAIN, NETWORK, POOL):
        for name, asked in site.of(kind).items():
            assert "site-libvirt" in asked.options.provider, name


def test_a_leftover_is_cleared_before_the_same_thing_is_made():
    site = usual()
    for name in ("site-pool", "site-network", NODE):
        (hook,) = site.asked[name].options.hooks.before_create
        assert "clear" in hook


def test_the_hosts_key_is_never_ignored():
    uri = usual().asked["site-libvirt"].inputs["uri"]
    assert "no_verify" not in uri
    assert "known_hosts_verify=ignore" not in uri


# Commands


def commands(site: Site) -> Mapping[str, Any]:
    return {name: asked.inputs for name, asked in site.of(COMMAND).items()}


def test_a_machines_host_key_is_scanned_again_for_another_machine():
    scan = commands(usual())[f"{NODE}-host-key"]
    assert scan["triggers"] == [f"{NODE}-id"]
    assert scan["create"].endswith(f" ampere host-key {NODE} 10.10.10.11")
    assert "10.10.10.11" in scan["stdin"]


def test_only_the_cluster_going_sweeps_the_pool():
    image = commands(usual())["site-base-image"]
    assert "triggers" not in image, "a replaced command would sweep under the machines"
    assert image["delete"].startswith("# ampere sweep ampere-k8s")


def test_commands_log_to_stderr_and_send_no_variables():
    for name, inputs in commands(usual()).items():
        assert inputs["logging"] == "stderr", name
        assert inputs["addPreviousOutputInEnv"] is False, name


def test_connections_are_secret_and_pin_the_hosts_key():
    for name, inputs in commands(usual()).items():
        assert SECRET in inputs["connection"], f"{name} would show the key in the plan"
        assert inputs["connection"]["value"]["hostKey"] == "ssh-ed25519 AAAA"


def test_no_key_stands_anywhere_else():
    for name, asked in usual().asked.items():
        rest = {key: value for key, value in asked.inputs.items() if key != "connection"}
        assert USER_KEY not in str(rest), name
        assert NODE_KEY not in str(rest), name


def test_a_machine_is_waited_for_from_its_host():
    lookout = build(WORKER).machines[NODE].lookout
    assert lookout is not None
    connection: Any = lookout.connection
    assert connection.host == str(HOME.host.address)
    seen: list[Any] = []

    @pulumi.runtime.test
    def read() -> pulumi.Output[None]:
        told = pulumi.Output.all(lookout.stdin, pulumi.Output.from_input(lookout.stdin.is_secret()))
        return told.apply(seen.extend)

    read()
    assert seen == [f"10.10.10.11 stdout of {NODE}-host-key\n{NODE_KEY}", True]
    script = lookout.script("echo waits", 900)
    assert script.startswith(f"# ampere lookout {NODE} 10.10.10.11\n")
    assert "echo waits\nAMPERE_GATE\n" in script


def test_a_machine_is_handed_back_with_its_pinned_key():
    site = build(WORKER)
    machine = site.machines[NODE]
    seen: dict[str, Any] = {}
    connection: Any = machine.connection

    @pulumi.runtime.test
    def read() -> pulumi.Output[None]:
        def keep(values: list[Any]) -> None:
            seen.update(zip(("host_key", "identity", "data"), values, strict=True))

        handed = (connection.host_key, machine.identity, machine.data_identity)
        return pulumi.Output.all(*handed).apply(keep)

    read()
    assert seen == {
        "host_key": f"stdout of {NODE}-host-key",
        "identity": f"{NODE}-id",
        "data": f"{NODE}-data-id",
    }
    assert str(machine.address) == connection.host == "10.10.10.11"
    assert connection.user == "ampere"


def test_a_worker_more_asks_for_nothing_else():
    one, two = usual(), build(WORKER, spec(HOME, "ampere-k8s-node2"))
    for name, asked in one.asked.items():
        assert two.asked[name].inputs == asked.inputs, name
    assert all("node2" in name for name in two.asked.keys() - one.asked.keys())


# Hooks


class Sent:
    """What ``local.run`` was called with, and how many calls were under way at once."""

    def __init__(self) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self.under_way = self.most = 0

    async def __call__(self, **call: Any) -> None:
        self.calls.append(call)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1


def test_hooks_reach_the_host_by_ssh_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    sent, made = Sent(), list[Any]()
    monkeypatch.setattr("ampere_infra.machines.libvirt.leftovers.local.run", sent)
    monkeypatch.setattr(
        "ampere_infra.machines.libvirt.leftovers.pulumi.ResourceHook",
        lambda _name, clear: made.append(clear),  # pyright: ignore[reportUnknownLambdaType]
    )
    leftovers = Leftovers(host())
    for number in range(20):
        leftovers.hook(f"hook-{number}", f"# ampere {number}\n")

    async def run() -> None:
        await asyncio.gather(*(clear(None) for clear in made))

    await_result(run())
    assert {call["stdin"] for call in sent.calls} == {f"# ampere {n}\n" for n in range(20)}
    assert all(call["command"] == piped(call["stdin"]) for call in sent.calls)
    assert sent.calls[0]["interpreter"][0] == "ssh"
    assert sent.most == AT_ONCE, "sshd drops strangers from ten on"
