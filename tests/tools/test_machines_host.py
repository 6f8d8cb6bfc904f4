"""What runs on the KVM host, run for real: only virsh, ssh-keyscan and sudo are stand-ins."""

from __future__ import annotations

import re
import shutil
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from kvm_host import POOL

from ampere_infra.machines import scripts
from ampere_infra.platform.nginx import sudo_commands

if TYPE_CHECKING:
    from pathlib import Path

    from kvm_host import KvmHostDouble

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"


# The sweep


def test_the_sweep_takes_leftovers_and_keeps_data(host: KvmHostDouble):
    for name in ("base-1.qcow2", "node1-root-1.qcow2", "node1-seed-1.iso", "node2-data.qcow2"):
        (host.pool / name).write_bytes(b"x")
    (host.pool / "node1-data.qcow2").write_bytes(b"written")
    (host.folder / "domains/node1").write_text("ampere-infra:ampere-k8s/node1")
    (host.folder / "domains/theirs").write_text("ampere-infra:ampere-k8s-other/node1")
    (host.folder / "domains/plain").write_text("")
    (host.cache.parent / f"{POOL}-other").mkdir(parents=True)
    done = host.run(scripts.sweep(POOL))
    assert done.returncode == 0, done.stderr
    assert host.run(scripts.sweep(POOL)).returncode == 0, "nor does a second sweep fail"
    assert host.volumes == {"node1-data.qcow2"}, "node2's was never written to"
    assert "node1-data.qcow2" in done.stderr
    assert {d.name for d in (host.folder / "domains").iterdir()} == {"theirs", "plain"}
    assert not host.cache.exists()
    assert (host.cache.parent / f"{POOL}-other").exists(), "another cluster's cache"


def test_the_sweep_of_a_pool_that_is_gone_is_fine(host: KvmHostDouble):
    host.pool.rmdir()
    host.cache.mkdir(parents=True)
    assert host.run(scripts.sweep(POOL)).returncode == 0
    assert not host.cache.parent.exists(), "the last cluster takes the folder of all with it"


# The host key


def keyscan(host: KvmHostDouble, answers_from: int) -> None:
    host.put(
        "ssh-keyscan",
        f'#!/bin/sh\necho x >>"$FAKE_HOST/scans"\n'
        f'[ "$(wc -l <"$FAKE_HOST/scans")" -ge {answers_from} ] || exit 1\n'
        f'echo "# 10.0.0.9:22 SSH-2.0" >&2\necho "10.0.0.9 {KEY}"\n',
    )


def test_a_machine_is_waited_for_until_its_key_is_there(host: KvmHostDouble):
    keyscan(host, answers_from=3)
    done = host.run(scripts.host_key("node1", IPv4Address("10.0.0.9"), 60, pause=0))
    assert (done.returncode, done.stdout) == (0, f"{KEY}\n"), "stdout is the key and no more"
    assert done.stderr.count("node1: waiting for SSH at 10.0.0.9") == 2


def test_a_machine_that_never_answers_is_given_up_with_its_state(host: KvmHostDouble):
    keyscan(host, answers_from=9)
    done = host.run(scripts.host_key("node1", IPv4Address("10.0.0.9"), 0, pause=0))
    assert (done.returncode, done.stdout) == (1, "")
    assert "console node1" in done.stderr
    assert "running (booted)" in done.stderr


# Leftovers of interrupted runs


def test_what_is_not_there_needs_no_clearing(host: KvmHostDouble):
    for script in (
        scripts.clear_pool(POOL, "/pool"),
        scripts.clear_network(POOL, "amp-1"),
        scripts.clear_domain(POOL, "node1"),
    ):
        assert host.run(script).returncode == 0


LEFTOVERS = {
    "definitions": (scripts.clear_pool(POOL, "/pool"), POOL, "<target><path>/pool</path></target>"),
    "networks": (scripts.clear_network(POOL, "amp-1"), POOL, "<bridge name='amp-1' stp='on'/>"),
    "domains": (scripts.clear_domain(POOL, "node1"), "node1", f"ampere-infra:{POOL}/node1"),
}


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_our_leftover_is_cleared(host: KvmHostDouble, kind: str):
    script, name, ours = LEFTOVERS[kind]
    (host.folder / kind / name).write_text(ours)
    done = host.run(script)
    assert done.returncode == 0, done.stderr
    assert not (host.folder / kind / name).exists()


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_strangers_thing_of_the_same_name_is_refused(host: KvmHostDouble, kind: str):
    script, name, ours = LEFTOVERS[kind]
    (host.folder / kind / name).write_text(ours.replace("amp", "other").replace("/pool", "/srv"))
    done = host.run(script)
    assert done.returncode == 1
    assert "not of this cluster" in done.stderr
    assert (host.folder / kind / name).exists()


# The preflight


def places(host: KvmHostDouble) -> dict[str, object]:
    (host.folder / "kvm").touch()
    (host.folder / "net/br0/bridge").mkdir(parents=True)
    (host.folder / "modules").mkdir()
    (host.folder / "modules/50-mod-stream.conf").write_text("load_module ngx_stream_module.so;")
    (host.folder / "abstraction").write_text(f"  /srv/{POOL}/** rwk,\n")
    return {
        "kvm": str(host.folder / "kvm"),
        "interfaces": str(host.folder / "net"),
        "nginx_modules": str(host.folder / "modules"),
        "abstractions": [str(host.folder / "abstraction"), str(host.folder / "no-such-file")],
        "sbin": str(host.bin),
    }


def preflight(host: KvmHostDouble, bridge: str | None = "br0", **found: object) -> str:
    values = places(host) | found
    return scripts.preflight(
        POOL,
        f"/srv/{POOL}",
        bridge=bridge,
        sudo_probe=sudo_commands(["/etc/nginx/conf.d/c.conf"]),
        stream=True,
        **values,
    )


def equip(host: KvmHostDouble) -> None:
    host.put("sudo", '#!/bin/sh\n[ -z "$FAKE_SUDO" ] || exit 1\n')
    host.put("nginx", "#!/bin/sh\necho configure arguments: >&2\n")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_host_that_is_ready_passes(host: KvmHostDouble, shell: str):
    equip(host)
    done = host.run(preflight(host), shell, FAKE_SECURITY="apparmor")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_apparmor_refusing_the_pool_is_said_with_the_line_to_add(host: KvmHostDouble):
    equip(host)
    script = preflight(host)
    (host.folder / "abstraction").write_text(f"#  /srv/{POOL}/** rwk,\n")
    done = host.run(script, FAKE_SECURITY="apparmor")
    assert done.returncode == 1
    assert f"echo '  /srv/{POOL}/** rwk,' | sudo tee -a" in done.stderr
    assert host.run(script).returncode == 0, "without AppArmor nothing is to be done"


def test_everything_that_is_wrong_is_said_at_once(host: KvmHostDouble):
    equip(host)
    script = preflight(host, bridge="br7", kvm="/no/kvm")
    shutil.rmtree(host.folder / "modules")
    done = host.run(script, FAKE_FAIL="uri", FAKE_SUDO="no")
    assert done.returncode == 1
    for wrong in ("/no/kvm", "br7", "libvirtd", "stream module", "/usr/sbin/nginx -t"):
        assert wrong in done.stderr
    assert done.stderr.count("There, do:") == len(re.findall("The KVM host ", done.stderr))


def test_missing_programs_are_named_with_their_packages(host: KvmHostDouble, tmp_path: Path):
    few = tmp_path / "few"
    few.mkdir()
    for name in ("uname", "id", "grep", "curl", "flock", "ssh-keyscan"):
        (few / name).symlink_to(shutil.which(name) or "")
    done = host.run(preflight(host, sbin="/no/sbin"), path=str(few))
    assert done.returncode == 1
    assert "virsh is missing" in done.stderr
    assert "sudo apt install libvirt-clients" in done.stderr
    assert "nginx is missing" in done.stderr
    assert "kubectl is missing" in done.stderr
    for name in ("ssh", "ssh-agent", "ssh-add"):
        assert f"{name} is missing" in done.stderr, "gates run it on the host"


def test_without_the_front_nginx_and_sudo_are_not_asked_for(host: KvmHostDouble):
    script = scripts.preflight(
        POOL, f"/srv/{POOL}", bridge=None, sudo_probe=(), stream=True, **places(host)
    )
    assert "sudo -n" not in script
    assert host.run(script).returncode == 0


def test_the_stand_in_knows_no_other_calls_than_libvirts_own(host: KvmHostDouble):
    done = host.run("virsh --quiet --connect qemu:///system no-such-call")
    assert done.returncode != 0
