"""What is made of a host's facts: each check, good and bad, with the machine that helps."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import pytest
from doctor_cases import BRIDGE, GIB, facts, findings, home

from ampere_infra.doctor.facts import facts_of
from ampere_infra.doctor.findings import Group, Place, Verdict, bad, here, is_wrong, ok, on_host
from ampere_infra.doctor.floors import is_older, version_in
from ampere_infra.doctor.judges import judged
from ampere_infra.doctor.report import as_json, text
from ampere_infra.settings.mac import mac

OK, WARNING, BAD, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.BAD, Verdict.UNKNOWN
HOST, DEV = Place.HOST, Place.DEV
OWN_MAC, OTHER_MAC = mac("ampere-k8s", "ampere-k8s-node1"), "52:54:00:00:00:01"
BY_HAND = {"ampere:host": {"apply_nginx": False}}
BRIDGED = {
    "ampere:host": {"address": "10.10.10.2"},
    "ampere:network": {"mode": "bridge", "bridge": "br0"},
}


@dataclass(frozen=True)
class Case:
    """A host on which something is as it is not meant to be, or is well in another way."""

    check: str
    verdict: Verdict
    says: str
    changes: tuple[str, ...]
    remedy: tuple[Place, str] | None = None
    settings: dict[str, object] | None = None


def case(check, verdict, says, *changes, remedy=None, settings=None):
    return Case(check, verdict, says, changes, remedy, settings)


CASES = [
    # Who
    case(
        "account/user", WARNING, "anna, not oppie", "-user", "user|anna", remedy=(HOST, "-iu oppie")
    ),
    case(
        "account/groups",
        BAD,
        "not in kvm",
        *("-session", "-account", "-kvm.access"),
        *("session|oppie libvirt", "account|oppie libvirt", "kvm.access|no"),
        remedy=(HOST, "usermod -aG libvirt,kvm oppie"),
    ),
    case(
        "account/groups",
        BAD,
        "next login",
        *("-session", "session|oppie"),
        remedy=(HOST, "loginctl kill-user oppie"),
    ),
    case(
        "account/groups",
        WARNING,
        "not in libvirt, kvm",
        *("-session", "-account", "session|oppie", "account|oppie"),
        remedy=(HOST, "usermod"),
    ),
    case("account/groups", OK, "root", "-session", "-user", "user|root", "session|root"),
    case("account/groups", UNKNOWN, "not told", "-session"),
    # The machine
    case(
        "virtualisation/processor",
        BAD,
        "vmx",
        *("-processor", "processor||8"),
        remedy=(HOST, "firmware"),
    ),
    case("virtualisation/processor", UNKNOWN, "not told", "-processor"),
    case(
        "virtualisation/KVM",
        BAD,
        "no /dev/kvm",
        *("-fine|kvm", "wrong|kvm|there is no /dev/kvm|turn it on"),
        remedy=(HOST, "turn it on"),
    ),
    case(
        "virtualisation/a machine starts",
        BAD,
        "failed to set MSR",
        *("-kvm.works", "kvm.works|no|failed to set MSR 0x10a"),
        remedy=(HOST, "dmesg"),
    ),
    case(
        "virtualisation/a machine starts",
        UNKNOWN,
        "may not open",
        *("-kvm", "kvm.access|no"),
        remedy=(HOST, "usermod -aG kvm oppie"),
    ),
    case(
        "virtualisation/a machine starts",
        UNKNOWN,
        "not tried",
        "-kvm.works",
        remedy=(HOST, "qemu-system-x86"),
    ),
    case(
        "memory and processors/memory",
        BAD,
        "22GiB, the host has 16.0GiB",
        *("-memory", f"memory|{16 * GIB}"),
        remedy=(DEV, "Pulumi.home.yaml"),
    ),
    case(
        "memory and processors/memory",
        WARNING,
        "needs some itself",
        *("-memory", f"memory|{22 * GIB + 5}"),
        remedy=(DEV, "less memory"),
    ),
    case(
        "memory and processors/memory",
        BAD,
        "has 64.0GiB, of which theirs, more may take 44.0GiB",
        f"running|theirs|{36 * GIB}|",
        f"running|more|{8 * GIB}|ampere-infra:ampere-k8s2/master",
        remedy=(HOST, "shutdown theirs"),
    ),
    case(
        "memory and processors/memory",
        WARNING,
        "of which theirs may take 41.5GiB, and it needs some itself",
        f"running|theirs|{83 * GIB // 2}|",
        remedy=(DEV, "less memory"),
    ),
    case(
        "memory and processors/memory",
        OK,
        "the host has 64.0GiB",
        f"running|ampere-k8s-node1|{60 * GIB}|ampere-infra:ampere-k8s/ampere-k8s-node1",
    ),
    case("memory and processors/memory", UNKNOWN, "not told", "-memory"),
    case(
        "memory and processors/processors",
        WARNING,
        "to have 2, the host has 1",
        *("-processor", "processor|svm|1"),
        remedy=(DEV, "vcpu: 1"),
    ),
    # libvirt
    case(
        "libvirt/reached",
        BAD,
        "does not answer",
        *("-fine|libvirt", "wrong|libvirt|it does not answer|sudo systemctl restart libvirtd"),
        remedy=(HOST, "restart libvirtd"),
    ),
    case(
        "libvirt/version",
        BAD,
        "6.0.0 is older than 8.0",
        *("-libvirt.version", "libvirt.version|Running against daemon: 6.0.0"),
        remedy=(HOST, "upgrade"),
    ),
    case("libvirt/version", UNKNOWN, "not told", "-libvirt.version", remedy=(HOST, "version")),
    case(
        "libvirt/AppArmor",
        BAD,
        "keeps machines",
        *("-fine|apparmor", "wrong|apparmor|AppArmor keeps machines|echo rule"),
        remedy=(HOST, "echo rule"),
    ),
    case(
        "libvirt/pool",
        BAD,
        "at /srv/theirs",
        "pool|ampere-k8s|/srv/theirs",
        remedy=(HOST, "pool-undefine ampere-k8s"),
    ),
    case(
        "libvirt/pool",
        BAD,
        "the pool vms has the folder",
        "pool|vms|/var/lib/libvirt/ampere-k8s/",
        remedy=(HOST, "pool-undefine vms"),
    ),
    case("libvirt/pool", OK, "is there", "pool|ampere-k8s|/var/lib/libvirt/ampere-k8s"),
    case(
        "libvirt/machines",
        BAD,
        "ampere-k8s-node1 that is not",
        "domain|ampere-k8s-node1|somebody's",
        remedy=(HOST, "domrename"),
    ),
    # Disks
    case(
        "disks/folder",
        WARNING,
        "the file system of /",
        *("-folder", f"folder|/|{900 * GIB}"),
        remedy=(HOST, "findmnt /var/lib/libvirt"),
    ),
    case(
        "disks/room",
        BAD,
        "the start alone takes 21.0GiB",
        *("-folder", f"folder|/var/lib/libvirt|{20 * GIB}"),
        remedy=(HOST, "df -h"),
    ),
    case(
        "disks/room",
        WARNING,
        "may grow to 401.0GiB",
        *("-folder", f"folder|/var/lib/libvirt|{60 * GIB}"),
        remedy=(DEV, "Pulumi.home.yaml"),
    ),
    case(
        "disks/room",
        OK,
        "room for 410.0GiB",
        *("-folder", f"folder|/var/lib/libvirt/ampere-k8s|{60 * GIB}"),
        *("-allocated", f"allocated|{350 * GIB * 1024}"),
    ),
    case("disks/room", UNKNOWN, "not told", "-folder", remedy=(HOST, "df -h")),
    case(
        "disks/download",
        BAD,
        "0.5GiB free",
        *("-cache", f"cache|/home/oppie/.cache|{GIB // 2}"),
        remedy=(HOST, "df -h /home/oppie/.cache"),
    ),
    case("disks/download", UNKNOWN, "not told", "-cache"),
    # The network
    case(
        "network/libvirt's networks",
        BAD,
        "not of this cluster",
        "network|ampere-k8s|virbr7|<ip address='10.9.9.1' prefix='24'>",
        remedy=(HOST, "net-undefine ampere-k8s"),
    ),
    case(
        "network/libvirt's networks",
        BAD,
        "10.10.0.0/16, which 10.10.10.0/24 meets",
        "network|wide|virbr7|<ip family='ipv6' address='fd::1'> "
        "<ip address='10.10.0.1' netmask='255.255.0.0'>",
        remedy=(HOST, "net-destroy wide"),
    ),
    case(
        "network/libvirt's networks",
        OK,
        "ampere-k8s is there",
        f"network|ampere-k8s|{BRIDGE}|<ip address='10.10.10.1' prefix='24'>",
        "network|odd|virbr8|<ip address='nonsense' prefix='24'>",
    ),
    case("network/libvirt's networks", UNKNOWN, "not reached", "-fine|libvirt"),
    case(
        "network/routes",
        BAD,
        "10.10.0.0/16 via",
        "route|10.10.0.0/16 via 192.168.1.2 dev enp3s0",
        remedy=(DEV, "ampere:network.subnet"),
    ),
    case("network/routes", OK, "none", f"route|10.10.10.0/24 dev {BRIDGE} proto kernel"),
    case("network/routes", OK, "none", f"route|10.10.10.0/24 dev {BRIDGE}"),
    case("network/routes", UNKNOWN, "not told", "-route", remedy=(HOST, "ip -4 route")),
    case(
        "network/forwarding",
        BAD,
        "no internet",
        *("-forward", "forward|0", "active|ampere-k8s"),
        remedy=(HOST, "ip_forward=1"),
    ),
    case("network/forwarding", OK, "libvirt turns it on", "-forward", "forward|0"),
    case("network/forwarding", UNKNOWN, "not told", "-forward", remedy=(HOST, "sysctl")),
    case(
        "network/bridge",
        BAD,
        "no bridge br0",
        "wrong|bridge|there is no bridge br0|make it in /etc/netplan",
        remedy=(HOST, "netplan"),
        settings=BRIDGED,
    ),
    case("network/bridge", OK, "br0", "fine|bridge|br0 is there", settings=BRIDGED),
    # Addresses
    case(
        "addresses/the host's",
        BAD,
        "it has 192.168.1.30",
        *("-address|enp", "address|enp3s0|192.168.1.30/24"),
        remedy=(DEV, "ampere:host.address"),
    ),
    case("addresses/the host's", UNKNOWN, "not told", "-address", remedy=(HOST, "ip -4")),
    case(
        "addresses/ampere-k8s-node1",
        BAD,
        "the host's own, on br7",
        "address|br7|10.10.10.11/24",
        remedy=(DEV, "another address"),
    ),
    case(
        "addresses/ampere-k8s-node1",
        BAD,
        f"answered by somebody else ({OTHER_MAC})",
        "-neighbour|10.10.10.11",
        f"neighbour|10.10.10.11|yes|10.10.10.11 dev br0 lladdr {OTHER_MAC} STALE",
        remedy=(HOST, "neigh show to 10.10.10.11"),
    ),
    case(
        "addresses/ampere-k8s-node1",
        BAD,
        OTHER_MAC,
        "-neighbour|10.10.10.11",
        f"neighbour|10.10.10.11|no|10.10.10.11 dev br0 lladdr {OTHER_MAC} REACHABLE",
        remedy=(DEV, "another address"),
    ),
    case(
        "addresses/ampere-k8s-node1",
        BAD,
        "somebody else",
        *("-neighbour|10.10.10.11", "neighbour|10.10.10.11|yes|"),
        remedy=(HOST, "route get"),
    ),
    case(
        "addresses/ampere-k8s-node1",
        OK,
        "this machine's",
        "-neighbour|10.10.10.11",
        f"neighbour|10.10.10.11|yes|10.10.10.11 dev br0 lladdr {OWN_MAC} REACHABLE",
    ),
    case(
        "addresses/ampere-k8s-node1",
        OK,
        "free",
        "-neighbour|10.10.10.11",
        "neighbour|10.10.10.11|unknown|10.10.10.11 dev br0 FAILED",
    ),
    case(
        "addresses/ampere-k8s-node1",
        UNKNOWN,
        "nothing to ask with",
        *("-neighbour|10.10.10.11", "neighbour|10.10.10.11|unknown|"),
        remedy=(HOST, "iputils-ping"),
    ),
    case(
        "addresses/gateway",
        BAD,
        "10.10.10.1 is the address of br7",
        "address|br7|10.10.10.1/24",
        remedy=(HOST, "show br7"),
    ),
    # NGINX
    case(
        "NGINX/NGINX",
        BAD,
        "nginx is missing",
        *("-fine|nginx", "wrong|nginx|nginx is missing|sudo apt install nginx"),
        remedy=(HOST, "apt install nginx"),
    ),
    case(
        "NGINX/stream module",
        BAD,
        "no stream",
        *("-fine|stream", "wrong|stream|nginx has no stream module|sudo apt install lib"),
        remedy=(HOST, "apt install lib"),
    ),
    case(
        "NGINX/rights",
        BAD,
        "nginx -t, and 1 more",
        *("wrong|sudo|may not run nginx -t|sudo visudo", "wrong|sudo|may not run mv|sudo visudo"),
        remedy=(HOST, "visudo"),
    ),
    case("NGINX/rights", OK, "all 1 commands"),
    case(
        "NGINX/port 80",
        BAD,
        "0.0.0.0:80, *:80",
        *("-server", "server|Apache", "listener|*:80|"),
        remedy=(HOST, "sport = :80"),
    ),
    case(
        "NGINX/port 80",
        BAD,
        "something else",
        *("-listener", 'listener|*:80|users:(("caddy",pid=7,fd=3))'),
        remedy=(HOST, "stop it"),
    ),
    case("NGINX/port 80", OK, "free", "-listener"),
    case("NGINX/port 80", UNKNOWN, "no `ss`", "-ss", remedy=(HOST, "iproute2")),
    case("NGINX/port 6443", OK, "free"),
    case(
        "NGINX/port 6443",
        BAD,
        "192.168.1.29:6443",
        "listener|192.168.1.29:6443|",
        remedy=(HOST, "sport = :6443"),
    ),
    case(
        "NGINX/port 6443",
        OK,
        "NGINX's",
        *("-stream_file", "stream_file|yes", "listener|192.168.1.29:6443|"),
    ),
    case("NGINX/port 6443", OK, "NGINX's", 'listener|*:6443|users:(("nginx",pid=7,fd=3))'),
    case("NGINX/NGINX", OK, "by hand", settings=BY_HAND),
    case(
        "NGINX/NGINX",
        WARNING,
        "nginx is missing; set up by hand",
        *("-fine|nginx", "wrong|nginx|nginx is missing|sudo apt install nginx"),
        remedy=(HOST, "apt install nginx"),
        settings=BY_HAND,
    ),
    case(
        "NGINX/stream module",
        WARNING,
        "no stream module; set up by hand",
        *("-fine|stream", "wrong|stream|nginx has no stream module|sudo apt install lib"),
        remedy=(HOST, "apt install lib"),
        settings=BY_HAND,
    ),
    case(
        "NGINX/stream file",
        WARNING,
        "no /etc/nginx/modules-enabled/90-ampere-k8s-stream.conf; behind NAT",
        remedy=(DEV, "pulumi preview -s home"),
        settings=BY_HAND,
    ),
    case(
        "NGINX/stream file",
        OK,
        "90-ampere-k8s-stream.conf",
        *("-stream_file", "stream_file|yes"),
        settings=BY_HAND,
    ),
    case(
        "NGINX/stream file",
        UNKNOWN,
        "not told",
        "-stream_file",
        remedy=(HOST, "ls /etc/nginx"),
        settings=BY_HAND,
    ),
    # Names
    case(
        "names/minio.local",
        BAD,
        "not known",
        *("-name|minio.local", "name|minio.local|"),
        remedy=(HOST, "echo '192.168.1.29 minio.local s3.minio.local airflow.local'"),
    ),
    case(
        "names/minio.local",
        BAD,
        "leads to 10.0.0.1, not 192.168.1.29",
        *("-name|minio.local", "name|minio.local|10.0.0.1"),
        remedy=(HOST, "/etc/hosts"),
    ),
    case(
        "names/minio.local",
        WARNING,
        "of which only",
        *("-name|minio.local", "name|minio.local|10.0.0.1 192.168.1.29"),
        remedy=(HOST, "/etc/hosts"),
    ),
    case("names/minio.local", UNKNOWN, "not told", "-name", remedy=(HOST, "getent")),
    # The clock
    case(
        "clock/agrees with this machine",
        BAD,
        "24 hours behind",
        *("-apart", "apart|-86400.0"),
        remedy=(HOST, "set-ntp true"),
    ),
    case(
        "clock/agrees with this machine",
        BAD,
        "3 days ahead",
        *("-apart", "apart|259200.0"),
        remedy=(DEV, "w32tm /resync"),
    ),
    case(
        "clock/agrees with this machine",
        BAD,
        "20 s ahead",
        *("-apart", "apart|20.0"),
        remedy=(DEV, "clock"),
    ),
    case(
        "clock/kept right",
        BAD,
        "nothing synchronises",
        *("-synchronised", "synchronised|no"),
        remedy=(HOST, "timesyncd"),
    ),
    case("clock/kept right", UNKNOWN, "does not tell", "-synchronised", remedy=(HOST, "status")),
    # Programs
    case(
        "programs/qemu-system-x86_64",
        BAD,
        "is missing",
        *("-version|qemu", "version|qemu-system-x86_64|"),
        remedy=(HOST, "apt install qemu"),
    ),
    case(
        "programs/nginx",
        BAD,
        "1.14.0; 1.15.6 or newer",
        *("-version|nginx", "version|nginx|nginx version: nginx/1.14.0 (Ubuntu)"),
        remedy=(HOST, "nginx"),
    ),
    case(
        "programs/curl",
        UNKNOWN,
        "no version",
        *("-version|curl", "version|curl|Segmentation fault"),
        remedy=(HOST, "curl --version"),
    ),
    case("programs/flock", UNKNOWN, "not looked at", "-version|flock"),
    case(
        "programs/ssh",
        BAD,
        "8.2; 8.5 or newer",
        *("-version|ssh", "version|ssh|OpenSSH_8.2p1 Ubuntu-4ubuntu0.13, OpenSSL 1.1.1f"),
        remedy=(HOST, "apt install openssh-client"),
    ),
    case(
        "programs/ssh",
        UNKNOWN,
        "no version",
        *("-version|ssh", "version|ssh|Segmentation fault"),
        remedy=(HOST, "ssh -V"),
    ),
    case(
        "programs/ssh-agent",
        BAD,
        "ssh-agent is missing",
        *(
            "-fine|ssh-agent",
            "wrong|ssh-agent|ssh-agent is missing|sudo apt install openssh-client",
        ),
        remedy=(HOST, "apt install openssh-client"),
    ),
    case(
        "programs/kubectl",
        BAD,
        "kubectl is missing",
        *("-fine|kubectl", "wrong|kubectl|kubectl is missing|sudo snap install kubectl"),
        remedy=(HOST, "snap install"),
    ),
    case(
        "programs/kubectl",
        WARNING,
        "1.32.4",
        *("-version|kubectl", "version|kubectl|Client Version: v1.32.4"),
        remedy=(HOST, "channel=1.36/stable"),
    ),
    case("programs/kubectl", UNKNOWN, "no version", "-version|kubectl", remedy=(HOST, "version")),
    case(
        "probe/probe",
        BAD,
        "broke off",
        *("-end", "-forward"),
        remedy=(HOST, "uptime"),
    ),
]


@pytest.mark.parametrize("given", CASES, ids=lambda c: f"{c.check} {c.verdict} {c.says}")
def test_each_state_of_a_host_is_told_with_what_helps_and_where(given: Case):
    found = findings(home(given.settings), facts(*given.changes))[given.check]
    assert found.verdict is given.verdict, found
    assert given.says in found.found
    if given.remedy is None:
        assert found.verdict in (OK, UNKNOWN), "what is wrong has a remedy"
    else:
        place, command = given.remedy
        assert any(r.place is place and command in r.command for r in found.remedies), found


def test_a_good_host_is_fine_in_every_point():
    found = findings(home(), facts())
    assert {name for name, finding in found.items() if finding.verdict is not OK} == set()
    checked = {c.check for c in CASES if c.settings is None and not c.check.startswith("probe")}
    assert checked - set(found) == {"libvirt/machines", "addresses/gateway"}, (
        "these two are only told where they are wrong"
    )
    assert set(found) - checked <= {
        *("addresses/ampere-k8s-master", "addresses/ampere-k8s-node2"),
        *("addresses/ampere-k8s-node3", "names/s3.minio.local", "names/airflow.local"),
        *("programs/virsh", "programs/dnsmasq", "programs/ssh-keyscan", "programs/ssh-add"),
    }, "every other check is spoilt once"


@pytest.mark.parametrize("kept", range(0, len(facts().lines) - 1, 4))
def test_a_probe_that_broke_off_anywhere_is_told_and_never_an_error(kept: int):
    told = facts()
    broken = type(told)(told.lines[:kept])
    groups = list(judged(home(), broken))
    assert is_wrong(groups)
    assert groups[0].findings[0].check == "probe"


@pytest.mark.parametrize("garbage", ["", "x", "\x1b[31m", "-1", "9" * 400, "1e9", "/", "::"])
def test_no_value_of_a_fact_is_an_error(garbage: str):
    told = facts()
    for place, line in enumerate(told.lines):
        for kept in range(1, len(line)):
            spoilt = (*line[:kept], *([garbage] * (len(line) - kept)))
            lines = (*told.lines[:place], spoilt, *told.lines[place + 1 :])
            assert list(judged(home(), type(told)(lines)))


def test_what_a_login_prints_is_no_fact_and_nothing_reaches_the_terminal_unasked():
    told = facts_of(["Welcome!\n", "user\tmallory\n", "ampere\t1\n", "user\to\x1b[2Jp\r\n"])
    assert told.lines == (("ampere", "1"), ("user", "o[2Jp"))
    assert not told.whole


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("v3.225.0\n", "3.225.0"),
        ("OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2", "8.1"),
        ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15", "9.2"),
        ("nginx version: nginx/1.24.0 (Ubuntu)", "1.24.0"),
        ("uv 0.9.5 (d5f39331a 2025-10-21)", "0.9.5"),
        ("sops 3.11.0 (latest)", "3.11.0"),
        ("nothing of the kind", None),
    ],
)
def test_a_version_is_found_in_what_a_program_prints(printed: str, version: str | None):
    assert version_in(printed) == version


def test_versions_are_compared_by_number():
    assert is_older("1.9.9", "1.15.6")
    assert not is_older("10.0", "8.0")
    assert not is_older("1.0", "")


GROUPS = [
    Group("host: disks", (ok("folder", "/srv"), bad("room", "none", on_host("df"), here("ask")))),
]
MACHINES = {DEV: "this machine (dev)", HOST: "the KVM host (oppie-server)"}


def test_the_report_names_the_machine_of_each_remedy_and_counts():
    assert list(text(GROUPS, MACHINES)) == [
        "host: disks",
        "  ok   folder  /srv",
        "  BAD  room    none",
        "         on the KVM host (oppie-server): df",
        "         on this machine (dev): ask",
        "1 wrong, 1 fine",
    ]


def test_the_report_is_json_for_machines():
    room = json.loads(as_json("home", GROUPS, MACHINES))["findings"][1]
    assert room == {
        "group": "host: disks",
        "check": "room",
        "verdict": "bad",
        "found": "none",
        "remedies": [
            {"on": "host", "machine": "the KVM host (oppie-server)", "command": "df"},
            {"on": "dev", "machine": "this machine (dev)", "command": "ask"},
        ],
    }


def test_the_judges_run_nothing():
    for name in ("account", "front", "libvirt", "machine", "network", "programs", "shared"):
        module = sys.modules[f"ampere_infra.doctor.judges.{name}"]
        assert not {"subprocess", "socket", "os"} & set(vars(module))
