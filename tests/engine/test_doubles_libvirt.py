"""The libvirt double against what the real plugin did on a real libvirtd."""

from __future__ import annotations

import grpc
import pytest
from providers import RefusedError, message, partial, providers, value

from ampere_infra.machines.seed import nocloud_image
from ampere_infra.rehearsal.doubles.values import UNKNOWN
from ampere_infra.rehearsal.places.hypervisor import Hypervisor

POOL, VOLUME = "libvirt:index/pool:Pool", "libvirt:index/volume:Volume"
NETWORK, DOMAIN = "libvirt:index/network:Network", "libvirt:index/domain:Domain"
MAC = "52:54:00:AA:BB:CC"
USER_DATA = "#cloud-config\nwrite_files: [{path: /etc/a, content: hello}]\n"
NETWORK_CONFIG = "version: 2\nethernets: {lan: {addresses: [10.0.0.5/24]}}\n"


@pytest.fixture
def host():
    with providers() as found:
        yield found


@pytest.fixture
def seed(tmp_path):
    file = tmp_path / "seed.iso"
    file.write_bytes(nocloud_image(USER_DATA, NETWORK_CONFIG, "instance-id: a\n"))
    return str(file)


def pool(host, name="amp", path="/pool"):
    return host.create(POOL, "pool", name=name, type="dir", target={"path": path})


def network(host, name="amp", subnet="10.0.0.0/24", **more):
    return host.create(NETWORK, "net", name=name, addresses=[subnet], **more)


def volume(host, name, **more):
    return host.create(VOLUME, name, name=name, pool="amp", **more)


def domain(host, *disks, name="node", **more):
    more.setdefault("networkInterfaces", [{"networkName": "amp", "mac": MAC}])
    entries = [{"volumeId": disk.id} for disk in disks]
    return host.create(DOMAIN, name, name=name, memory=1024, disks=entries, **more)


@pytest.fixture
def machine(host, seed):
    """A pool, a network, three disks and a machine that runs."""
    pool(host)
    network(host)
    disks = [
        volume(host, "root", size=1024**3, format="qcow2"),
        volume(host, "seed", source=seed, format="iso"),
        volume(host, "data", size=1024**3, format="qcow2"),
    ]
    return domain(host, *disks), disks


def refused(call, *arguments, **named):
    with pytest.raises((grpc.RpcError, RefusedError)) as caught:
        call(*arguments, **named)
    return str(caught.value) if isinstance(caught.value, RefusedError) else message(caught.value)


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        (POOL, {"nam": "x", "type": "dir"}, "Invalid or unknown key. Examine values at 'it.nam'."),
        (
            POOL,
            {"name": "x"},
            (
                'Missing required argument. The argument "type" is required, but no definition was '
                "found.. Examine values at 'it.type'."
            ),
        ),
        (POOL, {"name": ["x"], "type": "dir"}, "Examine values at 'it.name'."),
        (NETWORK, {"name": "x", "autostart": "perhaps"}, "Examine values at 'it.autostart'."),
        (DOMAIN, {"name": "x", "disks": [{"volume": "a"}]}, "'it.disks[0].volume'"),
    ],
)
def test_a_check_refuses_what_the_schema_does_not_have(host, kind, inputs, words):
    assert words in refused(host.check, kind, "it", inputs)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"source": "a", "size": 5}, "'size' can't be specified when also 'source' is given"),
        ({"source": "/nope"}, "error while opening /nope: open /nope: no such file or directory"),
        ({"pool": "nope"}, "can't find storage pool 'nope'"),
        ({"format": "xyz"}, "unknown volume format type xyz"),
        ({"baseVolumeName": "nope"}, "no storage vol with matching name 'nope'"),
        ({"baseVolumeName": "a", "baseVolumeId": "b"}, "'base_volume_name' can't be specified"),
        ({"baseVolumeName": "base", "size": 10}, "it shouldn't\nbe smaller than the backing store"),
    ],
)
def test_a_volume_that_cannot_be_made_is_refused_in_the_provider_s_words(host, more, words):
    pool(host)
    volume(host, "base", size=1024**3)
    assert words in refused(host.create, VOLUME, "it", **{"name": "it", "pool": "amp", **more})


def test_a_volume_of_the_same_name_is_silently_taken_over_with_its_own_size(host):
    pool(host)
    volume(host, "twice", size=1024**3)
    again = volume(host, "twice", size=2 * 1024**3)
    assert value(again, "size") == 1024**3
    assert host.diff(again, name="twice", pool="amp", size=2 * 1024**3).replaces == ["size"]


def test_an_image_declared_as_anything_but_iso_is_replaced_for_ever(host, seed):
    pool(host)
    declared = volume(host, "raw", source=seed, format="raw")
    assert value(declared, "format") == "iso"
    assert host.diff(declared, name="raw", pool="amp", source=seed, format="raw").replaces


def test_a_seed_declared_as_iso_reads_back_as_it_is(host, seed):
    pool(host)
    made = volume(host, "seed", source=seed, format="iso")
    read = host.read(made)
    assert read is not None
    assert not host.diff(read, name="seed", pool="amp", source=seed, format="iso").diffs


def test_a_named_volume_is_deleted_before_it_is_replaced(host):
    pool(host)
    made = volume(host, "data", size=10)
    answer = host.diff(made, name="other", pool="amp", size=10)
    assert (answer.replaces, answer.deleteBeforeReplace) == (["name"], True)


def test_a_broken_upload_is_recorded_and_cannot_be_updated(host, seed):
    pool(host)
    host.world.fail_at("create", "seed")
    with pytest.raises(grpc.RpcError) as caught:
        volume(host, "seed", source=seed, format="iso")
    kept = partial(caught.value)
    assert kept is not None, "the provider sets the id before it uploads"
    assert kept.id == "/pool/seed"
    assert "error while uploading source" in kept.reasons[0]
    assert not host.world.part(Hypervisor).volumes["/pool/seed"].whole


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({}, {}, "operation failed: network 'amp' already exists with uuid"),
        (
            {"bridge": "b0"},
            {"name": "two", "bridge": "b0", "subnet": "10.1.0.0/24"},
            "bridge name 'b0' already in use",
        ),
        ({}, {"name": "two"}, "Network is already in use by interface virbr1"),
        ({}, {"name": "two", "mode": "natt"}, "unsupported network mode 'natt'"),
        ({}, {"name": "two", "subnet": "10.1.0.0/30"}, "netmask seems to be too strict"),
        ({}, {"name": "two", "subnet": "ten"}, "invalid CIDR address: ten"),
        ({}, {"name": "two", "mode": "bridge"}, "'bridge' must be provided"),
    ],
)
def test_a_network_that_is_in_the_way_is_refused(host, first, second, words):
    network(host, **first)
    assert words in refused(network, host, **second)
    assert len(host.world.part(Hypervisor).networks) == 1, "nothing may stay behind"


def test_guests_with_addresses_make_a_network_read_back_dhcp(host, seed):
    pool(host)
    made = network(host, dhcp={"enabled": False})
    read = host.read(made)
    assert read is not None
    same = {"name": "amp", "addresses": ["10.0.0.0/24"], "dhcp": {"enabled": False}}
    assert not host.diff(read, **same).diffs
    nic = {"networkName": "amp", "mac": MAC, "addresses": ["10.0.0.5"]}
    guest = domain(host, volume(host, "seed", source=seed), networkInterfaces=[nic])
    assert host.diff(host.read(made), **same).diffs == ["dhcp"]
    found = host.read(guest)
    assert value(found, "networkInterfaces")[0]["addresses"] == [], "no lease, no address"


def test_a_pool_with_volumes_is_stopped_but_not_deleted(host):
    made = pool(host)
    left = volume(host, "left", size=10)
    assert "Directory not empty" in refused(host.delete, made)
    assert "is not active" in refused(volume, host, "more", size=10)
    host.delete(left)
    host.delete(made)
    assert host.world.empty


def test_two_pools_share_neither_name_nor_folder(host):
    pool(host)
    assert "storage pool 'amp' already exists" in refused(pool, host)
    assert "Storage source conflict with pool: 'amp'" in refused(pool, host, name="two")


@pytest.mark.parametrize(
    ("create", "name"), [(pool, "pool"), (network, "net")], ids=["pool", "network"]
)
def test_what_did_not_start_stays_and_is_in_the_way(host, create, name):
    host.world.fail_at("create", name)
    refused(create, host)
    assert "already exists" in refused(create, host)


def test_a_machine_that_did_not_start_stays_defined(host, seed):
    pool(host)
    network(host)
    disk = volume(host, "seed", source=seed)
    host.world.fail_at("create", "node")
    assert "error creating libvirt domain" in refused(domain, host, disk)
    assert "domain 'node' already exists with uuid" in refused(domain, host, disk)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"networkInterfaces": [{"networkName": "nope"}]}, "can't retrieve network 'nope'"),
        ({"networkInterfaces": [{"networkId": "nope"}]}, "can't retrieve network ID nope"),
        ({"networkInterfaces": [{"networkName": "amp", "mac": "52:54"}]}, "parse mac address"),
        ({"disks": [{"volumeId": "/nope"}]}, "can't retrieve volume /nope: Storage volume not"),
        ({"memory": 0}, "Memory size must be specified"),
    ],
)
def test_a_machine_of_things_that_are_not_there_is_refused(host, more, words):
    network(host)
    assert words in refused(host.create, DOMAIN, "it", **{"name": "it", "memory": 1, **more})
    assert not host.world.part(Hypervisor).domains, "nothing may be defined"


def test_two_machines_cannot_run_on_one_disk(host, machine):
    _, disks = machine
    words = refused(domain, host, *disks, name="other", networkInterfaces=[])
    assert 'Failed to get "write" lock' in words


def test_a_machine_reads_back_as_it_was_made(host, machine):
    made, _ = machine
    read = host.read(made)
    assert read is not None
    assert not host.diff(read, **made.inputs).diffs


@pytest.mark.parametrize("key", ["memory", "vcpu"])
def test_another_size_is_another_machine(host, machine, key):
    made, _ = machine
    answer = host.diff(made, **{**made.inputs, key: 8})
    assert (answer.replaces, answer.deleteBeforeReplace) == ([key], True)


def test_another_disk_is_an_update_that_changes_nothing(host, machine):
    made, disks = machine
    other = [{"volumeId": disk.id} for disk in (disks[2], *disks[1:])]
    answer = host.diff(made, **{**made.inputs, "disks": other})
    assert (list(answer.diffs), list(answer.replaces)) == (["disks"], [])
    changed = host.update(made, **{**made.inputs, "disks": other})
    assert value(changed, "disks")[0]["volumeId"] == disks[2].id
    assert value(host.read(changed), "disks")[0]["volumeId"] == disks[0].id


def test_disks_that_are_unknown_as_a_whole_make_another_machine(host, machine):
    made, _ = machine
    assert host.diff(made, **{**made.inputs, "disks": UNKNOWN}).replaces == ["disks"]


def test_a_stopped_machine_is_started_by_an_update(host, machine):
    made, _ = machine
    hypervisor = host.world.part(Hypervisor)
    hypervisor.stop(hypervisor.domains["node"])
    read = host.read(made)
    assert host.diff(read, **made.inputs).diffs == ["running"]
    host.update(read, **made.inputs)
    assert hypervisor.domains["node"].running


def test_deleting_a_machine_that_is_gone_is_an_error(host, machine):
    made, _ = machine
    host.delete(made)
    assert "Domain not found: no domain with matching uuid" in refused(host.delete, made)
    assert host.read(made) is None


def test_deleting_a_volume_in_use_is_none(host, machine):
    _, disks = machine
    host.delete(disks[0])
    host.delete(disks[0])


def test_a_machine_has_the_address_that_its_seed_gives_it(host, machine):
    found = host.world.part(Hypervisor).answering("10.0.0.5")
    assert found is not None
    assert found.born_of.files == {"/etc/a": "hello"}


def test_what_a_machine_was_told_can_be_exported(host, machine, tmp_path):
    host.world.export(tmp_path)
    assert (tmp_path / "nodes/node/user-data").read_text(encoding="utf-8") == USER_DATA
    assert (tmp_path / "nodes/node/files/etc/a").read_text(encoding="utf-8") == "hello"


def test_a_preview_knows_only_what_is_given(host):
    planned = host.preview(VOLUME, "it", name="it", pool="amp", size=5)
    assert (planned["size"], planned["format"]) == (5, UNKNOWN)
    assert host.world.empty, "a preview may change nothing"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu+ssh://a@b:2222/system", "connection refused"),
        ("qemu+ssh://a@b/system?keyfile=/nope&knownhosts=/nope", "failed to read ssh key"),
        ("somewhere", "invalid libvirt URI"),
    ],
)
def test_a_host_that_cannot_be_reached_is_refused_at_once(host, uri, words):
    assert words in refused(host.configure, "libvirt", uri=uri)
