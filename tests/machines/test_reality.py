"""The doubles' second mode: the providers' rules on a real libvirtd and a real sshd."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2

from ampere_infra.machines.seed import meta_data, nocloud_image
from ampere_infra.rehearsal.doubles.values import Secret
from ampere_infra.rehearsal.reality import Emulation, Reality
from ampere_infra.rehearsal.world import World
from tests.engine.providers import Providers, Resource, message, providers, value
from tests.ground.host import ADDRESS, TestHost
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

POOL, VOLUME = "libvirt:index/pool:Pool", "libvirt:index/volume:Volume"
NETWORK, DOMAIN = "libvirt:index/network:Network", "libvirt:index/domain:Domain"
COMMAND, RUN = "command:remote:Command", "command:local:run"
MIB = 1024**2
MAC = "52:54:00:AA:BB:CC"


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Generator[TestHost]:
    with TestHost(tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture
def real(host) -> Generator[Providers]:
    world = World(reality=Reality(enter=host.enter, emulation=Emulation()))
    with providers(world) as found:
        yield found


@pytest.fixture(scope="module")
def key(host, tmp_path_factory) -> Path:
    """A key that the host lets in."""
    file = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    host.authorize(file.with_suffix(".pub").read_text())
    return file


@pytest.fixture
def connection(host, key) -> dict[str, Any]:
    return {
        "host": ADDRESS,
        "user": "keeper",
        "privateKey": key.read_text(),
        "hostKey": host.host_key,
        "dialErrorLimit": 1,
        "perDialTimeout": 3,
    }


@pytest.fixture
def pool(real, tmp_path) -> Generator[Resource]:
    made = real.create(POOL, "pool", name="p", type="dir", target={"path": f"{tmp_path}/pool"})
    yield made
    real.delete(made)


def volume(real, name, **inputs):
    return real.create(VOLUME, name, name=name, pool="p", **inputs)


def refused(call, *arguments, **inputs) -> str:
    """What the provider says when it refuses."""
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **inputs)
    return message(error.value)


def test_a_pool_comes_is_read_back_and_goes_with_its_folder(host, real, tmp_path):
    given = {"name": "p", "type": "dir", "target": {"path": f"{tmp_path}/pool"}}
    pool = real.create(POOL, "pool", **given)
    assert host.virsh("pool-uuid", "p").strip() == pool.id
    assert "running" in host.virsh("pool-info", "p")
    read = real.read(pool)
    assert read is not None
    assert not real.diff(read, **given).diffs
    assert "storage pool 'p' already exists" in refused(real.create, POOL, "again", **given)
    real.delete(pool)
    assert not (tmp_path / "pool").exists()
    assert real.read(pool) is None
    real.delete(pool)


def test_volumes_are_laid_over_one_another_uploaded_and_read_back(real, pool, tmp_path):
    image = tmp_path / "seed.iso"
    image.write_bytes(nocloud_image("#cloud-config\n", "version: 2\n", meta_data("n", "a")))
    base = volume(real, "base", size=8 * MIB, format="qcow2")
    seed = volume(real, "seed", source=str(image), format="iso")
    root = volume(real, "root", size=16 * MIB, format="qcow2", baseVolumeName="base")
    assert root.id == f"{tmp_path}/pool/root"
    told = subprocess.run(["qemu-img", "info", root.id], capture_output=True, text=True, check=True)
    assert f"backing file: {base.id}" in told.stdout
    assert (tmp_path / "pool/seed").read_bytes() == image.read_bytes()
    assert (value(seed, "format"), value(seed, "size")) == ("iso", image.stat().st_size)
    for made in (base, seed, root):
        read = real.read(made)
        assert read is not None
        assert not real.diff(replace(read, inputs=made.inputs), **made.inputs).diffs
    for made in (root, seed, base):
        real.delete(made)
        assert real.read(made) is None
        real.delete(made)


def test_a_volume_of_the_name_is_taken_over_and_nonsense_refused(real, pool):
    first = volume(real, "data", size=8 * MIB)
    again = volume(real, "data", size=16 * MIB)
    assert (again.id, value(again, "size")) == (first.id, 8 * MIB)
    assert "unknown volume format type odd" in refused(volume, real, "x", size=MIB, format="odd")
    assert "shouldn't" in refused(volume, real, "x", size=MIB, baseVolumeName="data")
    assert "no storage vol with matching name 'none'" in refused(
        volume, real, "x", baseVolumeName="none"
    )
    real.delete(first)


def test_the_folder_of_a_pool_is_not_removed_while_something_is_in_it(real, pool, tmp_path):
    left = volume(real, "left", size=MIB)
    assert "Directory not empty" in refused(real.delete, pool)
    assert (tmp_path / "pool/left").exists()
    assert real.read(left) is not None, "the pool is started to look"
    real.delete(left)


@pytest.fixture
def network(real) -> Generator[Resource]:
    made = real.create(
        NETWORK,
        "network",
        name="n",
        mode="nat",
        bridge="real0",
        addresses=["10.254.254.0/24"],
        dhcp={"enabled": False},
        autostart=True,
    )
    yield made
    real.delete(made)


def test_a_network_stands_on_the_host_and_is_read_back_as_declared(host, real, network):
    assert "10.254.254.1/24" in host.run("ip", "-4", "address", "show", "real0").stdout
    assert "yes" in host.virsh("net-info", "n").split("Autostart:")[1]
    read = real.read(network)
    assert read is not None
    assert not real.diff(replace(read, inputs=network.inputs), **network.inputs).diffs
    changed = real.update(network, **{**network.inputs, "autostart": False})
    assert value(changed, "autostart") is False
    other = {**network.inputs, "name": "o", "bridge": "real1"}
    assert "Network is already in use by interface real0" in refused(
        real.create, NETWORK, "other", **other
    )
    assert "o" not in host.virsh("net-list", "--all", "--name").split(), "it is undefined again"


@pytest.fixture
def machine(real, pool, network) -> Generator[Resource]:
    disk = volume(real, "disk", size=8 * MIB)
    made = real.create(
        DOMAIN,
        "machine",
        name="m",
        description="a machine",
        machine="pc",
        cpu={"mode": "host-passthrough"},
        vcpu=1,
        memory=64,
        autostart=True,
        disks=[{"volumeId": disk.id}],
        networkInterfaces=[{"networkName": "n", "mac": MAC}],
        consoles=[{"type": "pty", "targetType": "serial", "targetPort": "0"}],
        graphics={"type": "vnc", "listenType": "address"},
    )
    yield made
    if real.read(made) is not None:
        real.delete(made)
    real.delete(disk)


def test_a_machine_runs_emulated_and_is_read_back_as_declared(host, real, machine):
    assert host.virsh("domstate", "m").strip() == "running"
    document = ET.fromstring(host.virsh("dumpxml", "m"))
    assert document.get("type") == "qemu"
    assert document.findtext("features/tcg/tb-cache") == str(256 * 1024), "KiB"
    read = real.read(machine)
    assert read is not None
    assert not real.diff(replace(read, inputs=machine.inputs), **machine.inputs).diffs
    assert (value(read, "machine"), value(read, "cpu")) == ("pc", {"mode": "host-passthrough"})


def test_what_a_machine_prints_is_in_a_file_of_the_host(host, machine):
    log = host.folder / "var/log/libvirt/qemu/m-console.log"
    await_true(log.exists, "file")


def test_a_machine_without_power_is_started_by_an_update(host, real, machine):
    host.virsh("destroy", "m")
    read = real.read(machine)
    assert read is not None
    assert list(real.diff(replace(read, inputs=machine.inputs), **machine.inputs).diffs) == [
        "running"
    ]
    real.update(machine, **{**machine.inputs, "autostart": False})
    assert host.virsh("domstate", "m").strip() == "running"
    assert "disable" in host.virsh("dominfo", "m").split("Autostart:")[1].splitlines()[0]


def test_a_start_that_fails_leaves_the_machine_defined(host, real, machine):
    other = {**machine.inputs, "name": "o", "networkInterfaces": []}
    assert '"write" lock' in refused(real.create, DOMAIN, "other", **other)
    assert host.virsh("domstate", "o").strip() == "shut off"
    assert "domain 'o' already exists" in refused(real.create, DOMAIN, "other", **other)
    host.virsh("undefine", "o")


def test_a_machine_that_is_gone_cannot_be_deleted(host, real, machine):
    real.delete(machine)
    assert "m" not in host.virsh("list", "--all", "--name").split()
    assert real.read(machine) is None
    assert "no domain with matching uuid" in refused(real.delete, machine)


def run(real, connection, line, **inputs):
    inputs = {"connection": Secret(connection), "create": line, **inputs}
    return real.create(COMMAND, "command", **inputs)


def test_a_command_gets_its_stdin_and_what_it_prints_is_kept(real, connection):
    made = run(real, connection, "cat; echo told >&2; echo", stdin=Secret("word\n"))
    assert (value(made, "stdout"), value(made, "stderr")) == ("word\n", "told")
    assert not real.world.leaks


def test_a_command_that_fails_says_all_that_it_printed(real, connection):
    said = refused(run, real, connection, "echo out; sleep 0.3; echo why >&2; exit 255")
    assert said.startswith("Process exited with status 255: running ")
    assert said.endswith(":\nout\nwhy\n")


def test_a_command_goes_through_a_proxy_with_keys_of_its_own(real, connection):
    assert value(run(real, {**connection, "proxy": connection}, "hostname"), "stdout") == "kvm-host"
    closed = {**connection, "port": 9, "proxy": connection}
    assert refused(run, real, closed, "true") == (
        "proxy: after 1 failed attempts: ssh: rejected: connect failed (Connection refused)"
    )


def test_a_host_that_is_not_there_or_is_another_is_refused(real, connection):
    assert refused(run, real, {**connection, "port": 9}, "true") == (
        f"after 1 failed attempts: dial tcp {ADDRESS}:9: connect: connection refused"
    )
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKj3cA5Cj1hBrpKNx8yGWmNvT3xgm1Rr5mCNX4+XU9LQ"
    said = refused(run, real, {**connection, "hostKey": other}, "true")
    assert said == "after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch"


def test_a_connection_that_breaks_is_no_success(real, connection):
    said = refused(run, real, connection, "echo begun; sleep 1; kill -9 $PPID; sleep 9")
    assert said.startswith("wait: remote command exited without exit status")
    assert said.endswith(":\nbegun\n")


def test_update_and_delete_run_commands_of_their_own(host, real, connection):
    made = run(real, connection, "echo 1", update="echo 2", delete="touch $HOME/gone")
    changed = real.update(made, **{**made.inputs, "triggers": ["x"]})
    assert value(changed, "stdout") == "2"
    real.delete(changed)
    assert (host.home / "gone").exists()


def test_a_local_command_is_the_ssh_client_on_the_hosts_side(host, real, key, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(f"{ADDRESS} {host.host_key}\n")
    options = ("BatchMode=yes", f"UserKnownHostsFile={known}", f"IdentityFile={key}")
    words = ["ssh", *(word for option in options for word in ("-o", option)), f"keeper@{ADDRESS}"]
    told = real.invoke(RUN, interpreter=words, command="hostname; cat", stdin="word")
    assert told["stdout"] == "kvm-host\nword"
    said = refused(real.invoke, RUN, interpreter=words, command="echo no; exit 3")
    assert said == 'exit status 3: running "echo no; exit 3":\nno\n'


def test_an_engine_that_stops_ends_what_runs_and_the_next_may_begin(real, connection):
    stub = real.stubs["command"]
    threading.Timer(1, stub.Cancel, [empty_pb2.Empty()]).start()
    assert refused(run, real, connection, "sleep 600") == "context canceled"
    assert refused(run, real, connection, "true") == "context canceled"
    stub.Attach(plugin_pb2.PluginAttach())
    assert value(run(real, connection, "echo again"), "stdout") == "again"


def test_an_engine_that_stops_waits_for_no_dial(real, connection):
    endless = {**connection, "port": 9, "dialErrorLimit": -1}
    threading.Timer(2, real.stubs["command"].Cancel, [empty_pb2.Empty()]).start()
    assert refused(run, real, endless, "true") == "context canceled"


def test_several_commands_run_at_once(real, connection):
    line = (
        "mkdir -p met && touch met/$$\n"
        "for try in $(seq 600); do [ $(ls met | wc -l) = 4 ] && exit; sleep 0.1; done; exit 1"
    )
    found: list[Resource] = []
    threads = [
        threading.Thread(target=lambda: found.append(run(real, connection, line))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4, "each waits for all the others"
