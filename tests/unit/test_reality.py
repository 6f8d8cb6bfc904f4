"""What a real host is told: libvirt's definitions, the SSH client's settings, and its answers."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from ampere_infra.rehearsal.doubles.command.real import ssh
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import (
    Backing,
    Disk,
    Hardware,
    Nic,
    domain_xml,
    network_xml,
    volume_xml,
)
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import VirshError, said
from ampere_infra.rehearsal.places.hypervisor import Network
from ampere_infra.rehearsal.programs import Finished, Programs
from ampere_infra.rehearsal.reality import Emulation, Reality, environment

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties

HARDWARE = Hardware("x86_64", "/usr/bin/qemu", frozenset({"vnc"}))
MACHINE: Properties = {
    "name": "node1",
    "description": "a node",
    "type": "kvm",
    "machine": "pc",
    "vcpu": 2,
    "memory": 1024,
    "cpu": {"mode": "host-passthrough"},
    "consoles": [{"type": "pty", "targetType": "serial", "targetPort": "0"}],
    "graphics": {"type": "vnc", "listenType": "address"},
}
NODE: Properties = {
    "host": "10.0.0.5",
    "port": 22,
    "user": "ampere",
    "privateKey": "KEY",
    "hostKey": "ssh-ed25519 AAAA",
    "dialErrorLimit": 30,
    "perDialTimeout": 15,
}
HOST: Properties = {**NODE, "host": "192.0.2.1", "user": "keeper", "hostKey": "ssh-ed25519 BBBB"}


def there(element: ET.Element, path: str) -> ET.Element:
    """The element at ``path``, which must be there."""
    found = element.find(path)
    assert found is not None, path
    return found


def machine(reality: Reality, **changes):
    disks = [Disk("pool", "root", "qcow2"), Disk("pool", "seed", "iso")]
    nics = [Nic("net", "", "52:54:00:00:00:01"), Nic("", "br0", "")]
    return ET.fromstring(domain_xml({**MACHINE, **changes}, disks, nics, HARDWARE, reality))


def test_a_machine_with_kvm_is_as_the_program_declares_it():
    found = machine(Reality(consoles=None))
    assert found.get("type") == "kvm"
    assert there(found, "cpu").attrib == {"mode": "host-passthrough"}
    assert found.find("features/tcg") is None
    assert found.findtext("memory") == "1024"
    assert there(found, "memory").get("unit") == "MiB"
    assert found.find("devices/console/log") is None


def test_disks_are_in_order_and_of_the_format_that_they_have():
    disks = machine(Reality()).findall("devices/disk")
    assert [there(d, "target").get("dev") for d in disks] == ["vda", "vdb"]
    assert [there(d, "driver").get("type") for d in disks] == ["qcow2", "raw"]
    assert [there(d, "source").attrib for d in disks] == [
        {"pool": "pool", "volume": "root"},
        {"pool": "pool", "volume": "seed"},
    ]


def test_interfaces_are_on_a_network_or_on_a_bridge():
    first, second = machine(Reality()).findall("devices/interface")
    assert (first.get("type"), there(first, "source").get("network")) == ("network", "net")
    assert there(first, "mac").get("address") == "52:54:00:00:00:01"
    assert (second.get("type"), there(second, "source").get("bridge")) == ("bridge", "br0")
    assert second.find("mac") is None, "libvirt draws one"


def test_an_emulated_machine_has_another_cpu_and_little_memory_for_translated_code():
    found = machine(Reality(emulation=Emulation(cpu="qemu64", tb_cache=128)))
    assert found.get("type") == "qemu"
    assert found.findtext("cpu/model") == "qemu64"
    assert found.findtext("features/tcg/tb-cache") == "128"


def test_an_emulated_machine_goes_without_graphics_that_qemu_lacks():
    emulated = Reality(emulation=Emulation())
    assert there(machine(emulated), "devices/graphics").get("type") == "vnc"
    assert machine(emulated, graphics={"type": "spice"}).find("devices/graphics") is None
    assert machine(Reality(), graphics={"type": "spice"}).find("devices/graphics") is not None


def test_what_a_machine_prints_is_kept_on_the_host():
    log = there(machine(Reality(consoles="/var/log/x")), "devices/console/log")
    assert log.attrib == {"file": "/var/log/x/node1-console.log", "append": "on"}


def test_a_network_gives_its_first_address_to_the_host_and_none_by_dhcp():
    network = Network("net", "nat", "br1", (ip_network("10.0.0.0/24"),), dhcp=False)
    found = ET.fromstring(network_xml(network, {}))
    assert there(found, "ip").attrib == {"address": "10.0.0.1", "prefix": "24", "family": "ipv4"}
    assert found.find("ip/dhcp") is None
    assert there(found, "bridge").attrib == {"stp": "on", "name": "br1"}
    assert there(found, "forward").get("mode") == "nat"


def test_a_network_with_dhcp_offers_all_other_addresses():
    network = Network("net", "none", "", (ip_network("10.0.0.0/24"),), dhcp=True)
    found = ET.fromstring(network_xml(network, {"domain": "lan", "dns": {"enabled": True}}))
    assert there(found, "ip/dhcp/range").attrib == {"start": "10.0.0.2", "end": "10.0.0.254"}
    assert found.find("forward") is None, "an isolated network forwards nothing"
    assert there(found, "domain").get("name") == "lan"
    assert there(found, "dns").get("enable") == "yes"


def test_a_volume_names_what_it_is_laid_over():
    found = ET.fromstring(volume_xml("root", 5, "qcow2", Backing("/pool/base", "qcow2")))
    assert found.findtext("backingStore/path") == "/pool/base"
    assert found.findtext("capacity") == "5"
    assert ET.fromstring(volume_xml("x", 1, "raw", None)).find("backingStore") is None


@pytest.mark.parametrize(
    ("stderr", "words", "absent"),
    [
        (
            "error: failed to get network 'x'\nerror: Network not found: no network\n",
            "Network not found: no network",
            True,
        ),
        ("error: failed to get domain 'x'\n", "failed to get domain 'x'", True),
        ("error: Failed to start\nerror: internal error: a\nb\n", "internal error: a\nb", False),
    ],
)
def test_only_what_libvirt_says_itself_is_passed_on(stderr, words, absent):
    assert said(stderr) == words
    assert VirshError(said(stderr)).absent is absent


def test_an_image_is_not_taken_for_what_it_is_not():
    head = b"QFI\xfb\x00\x00\x00\x03"
    assert refusals.is_qcow2(head, "", "x")
    assert not refusals.is_qcow2(b"CD001", "raw", "x")
    with pytest.raises(RefusalError, match="format other than QCOW2"):
        refusals.is_qcow2(head, "raw", "x")


def section(text: str, name: str) -> dict[str, str]:
    """One machine's settings of an SSH client."""
    block = text.split(f"Host {name}\n")[1].partition("Host ")[0]
    return dict(line.strip().split(" ", 1) for line in block.splitlines())


def test_each_end_of_a_connection_has_its_own_key_and_its_own_pin():
    found = ssh.config(Path("/t"), {**NODE, "proxy": HOST})
    node, proxy = section(found, "node"), section(found, "proxy")
    assert (node["HostName"], node["User"]) == ("10.0.0.5", "ampere")
    assert (proxy["HostName"], proxy["User"]) == ("192.0.2.1", "keeper")
    assert node["ProxyCommand"] == "ssh -F '/t/config' -E '/t/proxy.log' -W %h:%p proxy"
    for end, name in ((node, "node"), (proxy, "proxy")):
        assert end["IdentityFile"] == f'"/t/{name}.key"'
        assert end["UserKnownHostsFile"] == f'"/t/{name}.known"'
        assert end["HostKeyAlias"] == name
        assert (end["StrictHostKeyChecking"], end["IdentityAgent"]) == ("yes", "none")


def test_only_the_connection_that_the_provider_dials_itself_has_limits():
    found = ssh.config(Path("/t"), {**NODE, "proxy": HOST})
    assert "ConnectTimeout" not in section(found, "node")
    assert "ServerAliveInterval" not in section(found, "node"), "silence is never noticed there"
    assert section(found, "proxy")["ConnectTimeout"] == "15"
    assert section(ssh.config(Path("/t"), NODE), "node")["ConnectTimeout"] == "15"
    endless = ssh.config(Path("/t"), {**NODE, "perDialTimeout": 0})
    assert "ConnectTimeout" not in section(endless, "node")
    patient = ssh.config(Path("/t"), {**NODE, "proxy": HOST}, patience=7)
    assert section(patient, "node")["ServerAliveInterval"] == "7"


def test_keys_are_for_this_user_only_and_gone_afterwards():
    with ssh.connection({**NODE, "proxy": HOST}) as made:
        modes = {path.name: path.stat().st_mode & 0o777 for path in made.folder.iterdir()}
        assert modes == dict.fromkeys(
            ("config", "node.key", "node.known", "proxy.key", "proxy.known"), 0o600
        )
        assert made.folder.stat().st_mode & 0o777 == 0o700
        assert (made.folder / "node.known").read_text() == "node ssh-ed25519 AAAA\n"
        assert "KEY" not in (made.folder / "config").read_text()
        assert "KEY" not in " ".join(made.words("true"))
    assert not made.folder.exists()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            "debug1: x\nssh: connect to host 10.0.0.5 port 22: Connection refused\n",
            "dial tcp 10.0.0.5:22: connect: connection refused",
        ),
        (
            "ssh: connect to host 10.0.0.5 port 22: Connection timed out\n",
            "dial tcp 10.0.0.5:22: i/o timeout",
        ),
        ("ssh: Could not resolve hostname x: Name\n", "dial tcp: lookup x: no such host"),
        ("Host key verification failed.\n", "ssh: handshake failed: ssh: host key mismatch"),
        (
            "ampere@10.0.0.5: Permission denied (publickey).\n",
            (
                "ssh: handshake failed: ssh: unable to authenticate, attempted methods "
                "[none publickey], no supported methods remain"
            ),
        ),
        ("Connection reset by peer\n", "ssh: handshake failed: Connection reset by peer"),
        ("", "ssh: handshake failed: EOF"),
    ],
)
def test_a_dial_that_fails_is_told_in_the_providers_words(log, words):
    assert ssh.reason(log) == words


WENT_IN = "Authenticated to node (via proxy) using publickey.\n"


@pytest.mark.parametrize(
    ("code", "logs", "expected"),
    [
        (0, {"node": WENT_IN + "debug1: Exit status 0\n"}, (0, "", "node")),
        (255, {"node": WENT_IN + "debug1: Exit status 255\n"}, (255, "", "node")),
        (255, {"node": WENT_IN + "debug1: Exit status -1\n"}, (None, "", "node")),
        (255, {"node": WENT_IN + "Killed by signal 15.\n"}, (None, "", "node")),
        (-9, {"node": WENT_IN}, (None, "", "node")),
        (
            255,
            {"proxy": "Host key verification failed.\n"},
            (None, "ssh: handshake failed: ssh: host key mismatch", "proxy"),
        ),
        (
            255,
            {"proxy": f"{WENT_IN}channel 0: open failed: connect failed: No route to host\n"},
            (None, "ssh: rejected: connect failed (No route to host)", "node"),
        ),
    ],
)
def test_what_an_attempt_came_to_is_read_from_the_clients_logs(tmp_path, code, logs, expected):
    made = ssh.Connection(tmp_path, {"node": 3, "proxy": 3})
    for name, log in logs.items():
        (tmp_path / f"{name}.log").write_text(log)
    found = made.dialled(Finished(code, ()))
    assert (found.status, found.failure, found.at) == expected


def test_programs_on_the_host_get_no_secret_of_this_process(monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "canary")
    assert "canary" not in environment().values()
    assert environment()["LC_ALL"] == "C"


def test_a_program_that_enters_the_host_stays_in_its_folder():
    assert Reality().words("virsh", "list") == ["virsh", "list"]
    entered = Reality(enter=("nsenter", "-n")).words("virsh", "list")
    assert entered == ["nsenter", "-n", "env", f"--chdir={Path.cwd()}", "virsh", "list"]


def test_what_a_program_leaves_behind_is_not_waited_for():
    done = Programs(Reality()).run("sh", "-c", "sleep 3600 & echo $!")
    left = Path(f"/proc/{done.stdout.strip()}/cmdline")
    assert not left.exists() or not left.read_bytes(), "it ended with what began it"
