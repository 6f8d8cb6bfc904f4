"""Waiting for a machine from its host: real sh and ssh-agent; only ssh is a stand-in."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from kvm_host import KvmHostDouble

from ampere_infra.bootstrap import gates
from ampere_infra.machines import scripts
from tests.waiting import await_true

ADDRESS = IPv4Address("10.0.0.9")
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey"
# What it was called with, what its agent knows, then what the test lets it do.
SSH = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_HOST/ssh"
ssh-add -L >>"$FAKE_HOST/agent"
try=$(wc -l <"$FAKE_HOST/ssh")
for word; do last=$word; done
{behaviour}
"""
GATE = 'waited=${waited:-0}\necho "waited $waited" >&2\necho result\n'


@pytest.fixture
def host(tmp_path: Path) -> KvmHostDouble:
    return KvmHostDouble(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def wait(
    host: KvmHostDouble, key: Path, behaviour: str, gate: str = GATE, deadline: int = 60
) -> subprocess.CompletedProcess[str]:
    host.put("ssh", SSH.format(behaviour=behaviour))
    text = scripts.lookout("node1", "ampere", ADDRESS, gate, deadline, pause=0)
    return host.run(text, stdin=f"{ADDRESS} {HOST_KEY}\n{key.read_text()}")


def test_the_gate_runs_on_the_machine_and_its_word_is_passed_on(host: KvmHostDouble, key: Path):
    done = wait(host, key, 'eval "$last"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "result\n", "waited 0\n")
    called = (host.folder / "ssh").read_text()
    assert "ampere@10.0.0.9 waited=0 sh -s" in called
    assert f"KnownHostsCommand=/bin/echo {ADDRESS} {HOST_KEY}" in called
    assert "StrictHostKeyChecking=yes" in called


def test_a_connection_that_breaks_is_made_again(host: KvmHostDouble, key: Path):
    done = wait(host, key, '[ "$try" -ge 3 ] || exit 255; eval "$last"')
    assert (done.returncode, done.stdout) == (0, "result\n")
    assert done.stderr.count("node1: the connection broke after") == 2


def test_a_machine_that_stays_away_is_given_up_at_the_deadline(host: KvmHostDouble, key: Path):
    done = wait(host, key, "exit 255", deadline=0)
    assert done.returncode == 1
    assert "node1: no answer on SSH at 10.0.0.9 after 0 s." in done.stderr
    assert "virsh --connect qemu:///system console node1" in done.stderr


def test_a_gate_that_gives_up_is_not_asked_again(host: KvmHostDouble, key: Path):
    done = wait(host, key, 'eval "$last"', gate="echo 'the disk is full' >&2\nexit 1\n")
    assert (done.returncode, done.stderr) == (1, "the disk is full\n")
    assert len((host.folder / "ssh").read_text().splitlines()) == 1


def test_the_key_is_in_an_agent_that_ends_with_the_wait(host: KvmHostDouble, key: Path):
    public = key.with_suffix(".pub").read_text().split()[1]
    behaviour = 'echo "$SSH_AGENT_PID" >"$FAKE_HOST/pid"; eval "$last"'
    wait(host, key, behaviour)
    assert public in (host.folder / "agent").read_text()
    agent = (host.folder / "pid").read_text().strip()
    running = Path(f"/proc/{agent}/cmdline")
    await_true(lambda: not running.exists() or not running.read_text(), "end of the agent", 10, 0.1)
    secret = key.read_text().splitlines()[1]
    left = [path for path in host.folder.rglob("*") if path.is_file() and path != key]
    assert not [path for path in left if secret in path.read_text(errors="replace")]


def test_a_real_gate_goes_on_with_the_seconds_that_were_waited(host: KvmHostDouble, key: Path):
    stage = gates.Stage("OS_READY", ("one.service",), "/dev/null")
    text = gates.script("node1", stage, 5, str(host.folder), pause=1)
    done = wait(host, key, 'eval "waited=5 sh -s"', gate=text)
    assert done.returncode == 1
    assert "node1: no OS_READY after 5 s" in done.stderr, "at once"


def test_what_is_no_key_ends_the_wait_at_once(host: KvmHostDouble, tmp_path: Path):
    none = tmp_path / "none"
    none.write_text("no key\n")
    done = wait(host, none, 'eval "$last"')
    assert done.returncode == 1
    assert not (host.folder / "ssh").exists()
