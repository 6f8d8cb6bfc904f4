"""`ampere doctor` on a real libvirtd and over a real SSH, whole and broken in every way.

It takes root's rights and Linux namespaces; the host goes with each test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from doctor_cases import findings
from settings_cases import patched

from ampere_infra.doctor.facts import facts_of
from ampere_infra.doctor.probe import probe
from ampere_infra.machines.libvirt.site import bridge_name
from ampere_infra.settings.load import parse
from tests.ground.host import ADDRESS, NAME, USER, TestHost
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CLUSTER, POOL = "ampere-k8s", "/var/lib/libvirt/ampere-k8s"
DOMAINS = ("minio.local", "s3.minio.local", "airflow.local")
CODE = """
import sys
from pathlib import Path
from ampere_infra.cli import main
from ampere_infra.doctor import parser
parser.PROJECT = Path(sys.argv.pop())
raise SystemExit(main())
"""


class Host(TestHost):
    """A host that knows what was started on it, so that its end can be awaited."""

    def __init__(self, folder: Path, environment: dict[str, str], names: dict[str, str]) -> None:
        super().__init__(folder, environment, names)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        self.started.append(super().start(*words, log=log))
        return self.started[-1]


@dataclass
class Ground:
    """A host, and a person's files to reach it with."""

    host: TestHost
    folder: Path

    def config(self, patch: dict[str, Any] | None = None) -> dict[str, Any]:
        """The stack's settings for this host, with ``patch`` merged in."""
        own = {
            "ampere:host": {
                "name": NAME,
                "user": USER,
                "address": ADDRESS,
                "apply_nginx": False,
                "private_key_file": str(self.folder / "key"),
                "known_hosts_file": str(self.folder / "known_hosts"),
            },
            "ampere:storage": {"pool_path": POOL},
        }
        return patched(patch or {}, patched(own))

    def doctor(
        self, *options: str, patch: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Run it beside the host, and return its exit status and findings by check."""
        file = self.folder / "home.yaml"
        file.write_text(yaml.safe_dump({"config": self.config(patch)}))
        words = ("doctor", "home", "--json", "--config-file", str(file), *options)
        done = self.host.run(sys.executable, "-c", CODE, *words, str(self.folder), check=False)
        assert "Traceback" not in done.stderr
        found = json.loads(done.stdout)["findings"]
        return done.returncode, {f"{f['group']}/{f['check']}": f for f in found}

    def bad(self, check: str, *options: str, patch: dict[str, Any] | None = None) -> str:
        """What is said of ``check``, which must be wrong and have a remedy, on a named machine."""
        status, found = self.doctor(*options, patch=patch)
        finding = found[check]
        assert status == 1
        assert finding["verdict"] == "bad", finding
        assert finding["remedies"]
        assert all(r["command"] and r["machine"] for r in finding["remedies"])
        return f"{finding['found']} {finding['remedies']}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A person's key, and a place for programs that stand before the host's own."""
    (tmp_path / "bin").mkdir()
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(make, check=True)
    return tmp_path


@pytest.fixture
def ground(folder: Path) -> Generator[Ground]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    names: dict[str, str] = dict.fromkeys(DOMAINS, ADDRESS)
    (folder / "host").mkdir()
    with Host(folder / "host", environment={"PATH": path}, names=names) as host:
        host.authorize((folder / "key.pub").read_text())
        (folder / "known_hosts").write_text(f"{ADDRESS} {host.host_key}\n")
        yield Ground(host, folder)
    for process in host.started:
        process.kill()
        process.wait()


SOUND = (
    "host: libvirt/reached",
    "host: libvirt/version",
    "host: libvirt/AppArmor",
    "host: libvirt/pool",
    "host: disks/folder",
    "host: disks/download",
    "host: network/libvirt's networks",
    "host: network/routes",
    "host: network/forwarding",
    "host: addresses/the host's",
    "host: names/minio.local",
    "host: programs/virsh",
    "host: programs/qemu-system-x86_64",
    "host: programs/dnsmasq",
    "host: programs/ssh",
    "host: memory and processors/memory",
)


def test_a_sound_host_is_found_sound_by_itself_and_over_ssh(ground: Ground):
    _, here = ground.doctor()
    assert not any(name.startswith("this machine") for name in here), "its address is its own"
    _, over = ground.doctor("--over-ssh")
    for name in SOUND:
        assert here[name]["verdict"] == over[name]["verdict"] == "ok", (here[name], over[name])
    assert over["this machine: SSH/login"]["verdict"] == "ok"
    assert over["this machine: names/minio.local"]["verdict"] == "ok"
    assert over["host: clock/agrees with this machine"]["verdict"] == "ok"
    assert over["host: NGINX/stream file"]["verdict"] == "warning", "it is set up by hand"
    assert here["host: account/user"]["found"] == f"root, not {USER}"


def test_kvm_is_judged_by_starting_a_machine(ground: Ground):
    _, found = ground.doctor()
    try:
        words = "qemu-system-x86_64 -machine pc,accel=kvm -cpu host -m 16 -display none -nodefaults"
        started = subprocess.run(
            [*words.split(), "-monitor", "stdio"],
            input=b"info status\nquit\n",
            capture_output=True,
            timeout=20,
            check=False,
        )
        works = started.returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    starts = found.get("host: virtualisation/a machine starts")
    if starts is None:
        assert found["host: virtualisation/KVM"]["verdict"] == "bad"
    else:
        assert starts["verdict"] == ("ok" if works else "bad")


def test_a_daemon_that_was_stopped(ground: Ground):
    ground.host.stop_libvirtd()
    said = ground.bad("host: libvirt/reached", "--over-ssh")
    assert "does not run" in said
    assert "systemctl enable --now libvirtd" in said
    ground.host.start_libvirtd()
    assert ground.doctor("--over-ssh")[1]["host: libvirt/reached"]["verdict"] == "ok"


def test_a_daemon_that_died_and_left_its_socket(ground: Ground):
    ground.host.run("pkill", "-KILL", "-x", "libvirtd")
    for _ in range(50):
        if ground.host.run("pgrep", "-x", "libvirtd", check=False).returncode:
            break
        time.sleep(0.1)
    assert "restart libvirtd" in ground.bad("host: libvirt/reached")


def test_a_daemon_that_hangs(ground: Ground):
    ground.host.run("pkill", f"-{signal.SIGSTOP}", "-x", "libvirtd")
    assert "it does not answer" in ground.bad("host: libvirt/reached", "--over-ssh")


def test_a_user_who_may_not_use_libvirt(ground: Ground):
    ground.host.run("chmod", "0700", "/run/libvirt/libvirt-sock")
    settings = parse("home", ground.config())
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = ground.host.run(*nobody, "sh", stdin=probe(settings))
    found = findings(settings, facts_of(done.stdout.splitlines()))
    assert "usermod -aG libvirt,kvm nobody" in found["libvirt/reached"].remedies[0].command
    assert found["account/groups"].verdict.value == "bad"
    assert "Traceback" not in done.stderr


def test_machines_that_are_larger_than_the_host(ground: Ground):
    patch = {"ampere:control_plane": {"memory": "512GiB", "root_disk": "16TiB"}}
    assert "to have 530GiB" in ground.bad("host: memory and processors/memory", patch=patch)
    _, found = ground.doctor("--over-ssh", patch=patch)
    assert found["host: memory and processors/memory"]["verdict"] == "bad"
    assert found["host: disks/room"]["verdict"] == "warning", "a disk grows with what is in it"


def test_a_disk_without_room_for_the_start(ground: Ground):
    small = "/var/lib/libvirt/small"
    ground.host.run("mkdir", small)
    ground.host.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", small)
    patch = {"ampere:storage": {"pool_path": f"{small}/{CLUSTER}"}}
    said = ground.bad("host: disks/room", "--over-ssh", patch=patch)
    assert "room for 0.1GiB; the start alone takes" in said
    assert f"df -h {small}" in said


OTHER_MACHINE = """
<domain type='qemu'><name>theirs</name><memory unit='MiB'>512</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>
"""


def test_another_machine_that_runs_takes_memory_from_ours(ground: Ground):
    ground.host.run("tee", "/run/libvirt/theirs.xml", stdin=OTHER_MACHINE)
    ground.host.virsh("create", "/run/libvirt/theirs.xml", "--paused")
    _, found = ground.doctor()
    memory = found["host: memory and processors/memory"]
    assert "of which theirs may take 0.5GiB" in memory["found"]
    ground.host.virsh("desc", "theirs", "--live", f"ampere-infra:{CLUSTER}/theirs")
    _, found = ground.doctor()
    assert "theirs" not in found["host: memory and processors/memory"]["found"]
    ground.host.virsh("destroy", "theirs")


def test_an_nginx_that_is_missing(ground: Ground):
    by_us = {"ampere:host": {"apply_nginx": True}}
    if program := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        ground.host.run("mount", "--bind", "/dev/null", program)
    said = ground.bad("host: NGINX/NGINX", "--over-ssh", patch=by_us)
    assert "apt install nginx" in said
    assert "nginx is missing" in ground.bad("host: programs/nginx", patch=by_us)
    _, found = ground.doctor()
    assert found["host: NGINX/NGINX"]["verdict"] == "warning", "whoever sets it up has yet to do so"


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [(CLUSTER, "/srv", "at /srv"), ("theirs", POOL, "the pool theirs has the folder")],
)
def test_a_pool_of_somebody_else(ground: Ground, name: str, path: str, says: str):
    ground.host.virsh("pool-define-as", name, "dir", "--target", path)
    said = ground.bad("host: libvirt/pool")
    assert says in said
    assert f"pool-undefine {name}" in said


def network(ground: Ground, name: str, bridge: str) -> None:
    ground.host.run("tee", "/run/libvirt/network.xml", stdin=XML.format(name=name, bridge=bridge))
    ground.host.virsh("net-define", "/run/libvirt/network.xml")
    ground.host.virsh("net-start", name)


XML = """
<network><name>{name}</name><forward mode='nat'/><bridge name='{bridge}'/>
<ip address='10.10.10.1' netmask='255.255.255.0'/></network>
"""


def test_a_network_with_our_subnet(ground: Ground):
    network(ground, "theirs", "virbr9")
    said = ground.bad("host: network/libvirt's networks")
    assert "theirs (virbr9) has 10.10.10.0/24" in said
    assert "net-destroy theirs" in said
    _, found = ground.doctor()
    assert "10.10.10.0/24 dev virbr9" in found["host: network/routes"]["found"]
    assert found["host: addresses/gateway"]["verdict"] == "bad"


def test_our_own_network_is_in_nobodys_way(ground: Ground):
    network(ground, CLUSTER, bridge_name(CLUSTER))
    _, found = ground.doctor()
    for check in ("network/libvirt's networks", "network/routes", "network/forwarding"):
        assert found[f"host: {check}"]["verdict"] == "ok", found[f"host: {check}"]
    assert found["host: addresses/ampere-k8s-node2"]["verdict"] == "ok"
    ground.host.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    assert "ip_forward=1" in ground.bad("host: network/forwarding")


def test_an_address_that_somebody_else_has(ground: Ground):
    bridge = bridge_name(CLUSTER)
    network(ground, CLUSTER, bridge)
    ground.host.start("unshare", "--net", "sleep", "613", log="other.log")
    while not (other := ground.host.run("pgrep", "-f", "^sleep 613", check=False).stdout.strip()):
        time.sleep(0.1)
    lines = f"""
    ip link add theirs type veth peer name inside netns {other}
    ip link set theirs master {bridge}
    ip link set theirs up
    nsenter --target={other} --net ip address add 10.10.10.11/24 dev inside
    nsenter --target={other} --net ip link set inside up
    """
    ground.host.run("sh", "-e", stdin=lines)
    port = ("bridge", "link", "show", "dev", "theirs")
    await_true(lambda: "state forwarding" in ground.host.run(*port).stdout, "open port", 60)
    said = ground.bad("host: addresses/ampere-k8s-node1", "--over-ssh")
    assert "10.10.10.11 is answered by somebody else (" in said
    _, found = ground.doctor()
    assert found["host: addresses/ampere-k8s-node2"]["verdict"] == "ok"


def test_an_address_that_the_host_has_and_one_that_it_has_not(ground: Ground):
    ground.host.run("ip", "address", "add", "10.10.10.11/32", "dev", "lo")
    assert "host's own, on lo" in ground.bad("host: addresses/ampere-k8s-node1")
    other = {"ampere:host": {"address": "198.51.100.9"}}
    said = ground.bad("host: addresses/the host's", "--here", patch=other)
    assert f"it has {ADDRESS}" in said


def test_a_bridge_that_is_not_there(ground: Ground):
    bridged = {
        "ampere:host": {"address": "10.10.10.2"},
        "ampere:network": {"mode": "bridge", "bridge": "br0"},
    }
    assert "there is no bridge br0" in ground.bad("host: network/bridge", "--here", patch=bridged)
    ground.host.run("mount", "-t", "sysfs", "sysfs", "/sys")
    ground.host.run("ip", "link", "add", "br0", "type", "bridge")
    ground.host.run("ip", "address", "add", "10.10.10.2/24", "dev", "br0")
    _, found = ground.doctor(patch=bridged)
    assert found["host: network/bridge"]["verdict"] == "ok"
    assert found["host: addresses/the host's"]["found"] == "10.10.10.2 on br0"


def test_a_clock_that_is_wrong_by_a_day(ground: Ground):
    date = ground.folder / "bin/date"
    date.write_text("#!/bin/sh\necho $(($(/bin/date +%s) + 86400))\n")
    date.chmod(0o755)
    said = ground.bad("host: clock/agrees with this machine", "--over-ssh")
    assert "24 hours ahead" in said


def test_a_port_that_another_program_has(ground: Ground):
    ground.host.start(sys.executable, "-m", "http.server", "80", log="http.log")
    for _ in range(100):
        if ground.host.run("ss", "-Hltn", "sport = :80").stdout:
            break
        time.sleep(0.1)
    said = ground.bad("host: NGINX/port 80", patch={"ampere:host": {"apply_nginx": True}})
    assert "something else than NGINX listens at 0.0.0.0:80" in said


def test_names_that_lead_nowhere(ground: Ground):
    ground.host.run("sh", "-c", f"echo '{ADDRESS} {NAME}' >/etc/hosts")
    said = ground.bad("host: names/minio.local", "--over-ssh")
    assert f"echo '{ADDRESS} minio.local" in said


def test_logins_that_fail(ground: Ground):
    authorized = ground.host.folder / "authorized_keys"
    key = authorized.read_text()
    authorized.write_text("")
    assert "ssh-copy-id" in ground.bad("this machine: SSH/login", "--over-ssh")
    authorized.write_text(key)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ground.folder / "x"], check=True
    )
    other = " ".join((ground.folder / "x.pub").read_text().split()[:2])
    (ground.folder / "known_hosts").write_text(f"{ADDRESS} {other}\n")
    assert "ssh-keyscan" in ground.bad("this machine: SSH/login", "--over-ssh")
    ground.host.run("pkill", "-x", "sshd")
    assert "openssh-server" in ground.bad("this machine: SSH/login", "--over-ssh")
