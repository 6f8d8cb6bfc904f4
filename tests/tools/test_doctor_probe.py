"""What `ampere doctor` runs on the host, under real shells, with stand-ins for what it asks."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from doctor_cases import BRIDGE, findings, home
from kvm_host import POOL

from ampere_infra.doctor.facts import Facts, facts_of
from ampere_infra.doctor.findings import Verdict
from ampere_infra.doctor.probe import probe
from ampere_infra.machines.scripts import preflight, ready
from ampere_infra.stacks.home_specs import sudo_probe

if TYPE_CHECKING:
    from pathlib import Path

    from kvm_host import KvmHostDouble

STAND_INS = {
    "kubectl": 'echo "Client Version: v1.36.3"',
    "curl": 'case $* in *--version*) echo curl 8.5.0 ;; *) printf "Server: nginx\\r\\n" ;; esac',
    "nginx": "echo nginx version: nginx/1.24.0 >&2",
    "dnsmasq": "echo Dnsmasq version 2.90",
    "qemu-system-x86_64": (
        "case $* in *--version*) echo QEMU emulator version 8.2.2 ;;\n"
        "*) cat >/dev/null; echo 'VM status: running' ;; esac"
    ),
    "sudo": 'echo "$*" >>"$FAKE_HOST/sudo"; [ "$1 $2" = "-n -l" ]',
    "id": "case $* in -un) echo oppie ;; *) echo oppie libvirt kvm ;; esac",
    "getconf": "echo 8",
    "ip": (
        "case $* in\n"
        '*address*) echo "2: enp3s0    inet 192.168.1.29/24 brd 192.168.1.255" ;;\n'
        '*neigh*) ;;\n*) echo "192.168.1.0/24 dev enp3s0 proto kernel" ;;\nesac'
    ),
    "ping": "exit 1",
    "getent": 'echo "192.168.1.29    STREAM $2"',
    "ss": "echo 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:*'",
    "timedatectl": "echo yes",
    "df": 'printf "%s\\n" Filesystem "/dev/sda1 1 1 990000000 1% /"',
}


@pytest.fixture
def places(host: KvmHostDouble) -> dict[str, object]:
    """The host's own files, and all that the probe asks besides virsh."""
    for name, text in STAND_INS.items():
        host.put(name, f"#!/bin/sh\n{text}\n")
    files = {
        "kvm": "",
        "cpuinfo": "flags\t\t: fpu vmx sse\n",
        "meminfo": "MemTotal:       65000000 kB\nMemFree: 1 kB\n",
        "forward": "1\n",
        "stream_file": "",
    }
    for name, text in files.items():
        (host.folder / name).write_text(text)
    (host.folder / "modules").mkdir()
    (host.folder / "modules/50-mod-stream.conf").write_text("load_module ngx_stream_module.so;")
    (host.folder / "net/br0/bridge").mkdir(parents=True)
    return {
        **{name: str(host.folder / name) for name in files},
        "nginx_modules": str(host.folder / "modules"),
        "interfaces": str(host.folder / "net"),
        "sbin": str(host.bin),
    }


def told(host: KvmHostDouble, script: str, shell: str = "dash", **env: str) -> Facts:
    done = host.run(script, shell, **env)
    assert (done.returncode, done.stderr) == (0, "")
    return facts_of(done.stdout.splitlines())


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_host_that_is_ready_is_fine_in_every_point(
    host: KvmHostDouble, places: dict[str, object], shell: str
):
    found = findings(home(), told(host, probe(home(), **places), shell))
    assert {name: f for name, f in found.items() if f.verdict is not Verdict.OK} == {}


def test_a_host_with_a_bridge_is_fine(host: KvmHostDouble, places: dict[str, object]):
    bridged = home(
        {
            "ampere:host": {"address": "10.10.10.2"},
            "ampere:network": {"mode": "bridge", "bridge": "br0"},
        }
    )
    found = findings(bridged, told(host, probe(bridged, **places)))
    assert found["network/bridge"].verdict is Verdict.OK
    shutil.rmtree(host.folder / "net")
    found = findings(bridged, told(host, probe(bridged, **places)))
    assert found["network/bridge"].verdict is Verdict.BAD


def test_a_front_that_is_set_up_by_hand_is_looked_at_and_never_in_the_way(
    host: KvmHostDouble, places: dict[str, object]
):
    by_hand = home({"ampere:host": {"apply_nginx": False}})
    found = findings(by_hand, told(host, probe(by_hand, **places)))
    for check in ("NGINX", "stream module", "stream file"):
        assert found[f"NGINX/{check}"].verdict is Verdict.OK
    shutil.rmtree(host.folder / "modules")
    (host.folder / "stream_file").unlink()
    found = findings(by_hand, told(host, probe(by_hand, **places)))
    for check in ("stream module", "stream file"):
        assert found[f"NGINX/{check}"].verdict is Verdict.WARNING
    (host.bin / "nginx").rename(host.bin / "nginx-is-gone")
    few = f"{host.bin}:/usr/bin:/bin"
    told_of = facts_of(host.run(probe(by_hand, **places), path=few).stdout.splitlines())
    missing = findings(by_hand, told_of)["NGINX/NGINX"]
    assert missing.verdict is Verdict.WARNING
    assert "apply_nginx" not in missing.remedies[0].command, "it is set already"


def test_the_probe_reads_and_changes_nothing(host: KvmHostDouble, places: dict[str, object]):
    (host.folder / "definitions" / POOL).write_text("<target><path>/pool</path></target>")
    (host.pool / "node1-data.qcow2").write_bytes(b"written")
    (host.folder / "domains/ampere-k8s-node1").write_text("ampere-infra:ampere-k8s/other")
    (host.folder / "networks/theirs").write_text(
        "<bridge name='virbr7' stp='on'/>\n<ip address='10.10.10.1' netmask='255.255.255.0'>"
    )
    before = {path: path.stat().st_mtime_ns for path in host.folder.rglob("*")}
    facts = told(host, probe(home(), **places))
    made = {path.name for path in host.folder.rglob("*") if path not in before}
    assert made <= {"calls", "sudo"}, "the stand-ins' own notes"
    asked = {call.split()[0] for call in host.calls}
    reading = ("uri", "capabilities", "version", "desc", "list")
    assert all(call in reading or call.endswith(("-list", "info", "-dumpxml")) for call in asked)
    asked_of_sudo = (host.folder / "sudo").read_text().splitlines()
    assert all(line.startswith("-n -l ") for line in asked_of_sudo), "no command is run as root"
    assert facts.value("allocated") == "1000000"
    assert facts.named("pool", POOL) == ("/pool",)
    running = facts.named("running", "ampere-k8s-node1")
    assert running == ("4194304", "ampere-infra:ampere-k8s/other")
    found = findings(home(), facts)
    for check in ("libvirt/pool", "libvirt/machines", "network/libvirt's networks"):
        assert found[check].verdict is Verdict.BAD


def test_a_host_that_has_next_to_nothing_is_told_of_without_an_error(
    host: KvmHostDouble, tmp_path: Path
):
    few = tmp_path / "few"
    few.mkdir()
    for name in ("uname", "id", "grep", "cat", "tr", "sed", "awk", "head", "date", "sort", "df"):
        (few / name).symlink_to(shutil.which(name) or "")
    done = host.run(probe(home(), sbin="/no/sbin", kvm="/no/kvm"), path=str(few))
    assert done.returncode == 0
    facts = facts_of(done.stdout.splitlines())
    assert facts.whole
    found = findings(home(), facts)
    for check in ("virtualisation/KVM", "NGINX/NGINX", "programs/curl", "programs/kubectl"):
        assert found[check].verdict is Verdict.BAD, found[check]
    assert found["network/routes"].verdict is Verdict.UNKNOWN


def test_what_is_asked_and_hangs_is_given_up(host: KvmHostDouble, places: dict[str, object]):
    for name in ("virsh", "getent", "timedatectl", "qemu-system-x86_64"):
        host.put(name, "#!/bin/sh\nexec sleep 6073\n")
    found = findings(home(), told(host, probe(home(), patience=1, **places)))
    assert found["libvirt/reached"].verdict is Verdict.BAD
    assert "does not answer" in found["libvirt/reached"].found
    assert found["virtualisation/a machine starts"].verdict is Verdict.BAD


REASONS = {
    "error: Failed to connect socket to 'x': Permission denied": "usermod",
    "error: authentication unavailable: no polkit agent available": "usermod",
    "error: Failed to connect socket to 'x': Connection refused": "restart libvirtd",
    "error: Failed to connect socket to 'x': No such file or directory": "enable --now libvirtd",
}


@pytest.mark.parametrize("said", REASONS)
def test_the_preflight_and_the_doctor_give_the_same_reason(
    host: KvmHostDouble, places: dict[str, object], said: str
):
    host.put("virsh", f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
    reached = findings(home(), told(host, probe(home(), **places)))["libvirt/reached"]
    assert REASONS[said] in reached.remedies[0].command
    own = {name: place for name, place in places.items() if name in READY}
    script = preflight(POOL, "/srv", bridge=None, sudo_probe=sudo_probe(home()), stream=True, **own)
    done = host.run(script)
    assert done.returncode == 1
    assert reached.found in done.stderr
    assert reached.remedies[0].command in done.stderr


READY = ready(POOL, "/srv", bridge=None, sudo_probe=(), stream=True)


def test_a_machine_that_does_not_start_is_told_with_what_qemu_said(
    host: KvmHostDouble, places: dict[str, object]
):
    words = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69"
    host.put("qemu-system-x86_64", f"#!/bin/sh\necho '(qemu) {words}' >&2\nkill -ABRT $$\n")
    found = findings(home(), facts_of(host.run(probe(home(), **places)).stdout.splitlines()))
    starts = found["virtualisation/a machine starts"]
    assert starts.verdict is Verdict.BAD
    assert "failed to set MSR 0x10a to 0x69" in starts.found


def test_the_own_network_is_not_in_its_own_way(host: KvmHostDouble, places: dict[str, object]):
    (host.folder / "networks" / POOL).write_text(
        f"<bridge name='{BRIDGE}' stp='on'/>\n<ip family='ipv4' address='10.10.10.1' prefix='24'>"
    )
    found = findings(home(), told(host, probe(home(), **places)))
    assert found["network/libvirt's networks"].verdict is Verdict.OK
