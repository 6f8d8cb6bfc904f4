"""`ampere doctor` as a person runs it: over SSH and directly, with an `ssh` that does its worst."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
import yaml
from settings_cases import patched

from ampere_infra import cli
from ampere_infra.doctor import local, reach, run
from ampere_infra.doctor.floors import Floor
from ampere_infra.doctor.reach import is_here, run_probe

if TYPE_CHECKING:
    from pathlib import Path

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"
CODE = """
from pathlib import Path
from ampere_infra.cli import main
from ampere_infra.doctor import parser
parser.PROJECT = Path.cwd()
raise SystemExit(main())
"""
AMPERE = [sys.executable, "-c", CODE, "doctor"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys, settings that name them, and an empty folder first on PATH."""
    for name in ("bin", "project"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(make, check=True)
    (tmp_path / "known_hosts").write_text(f"192.168.1.29 ssh-ed25519 {ED}\n")
    files = {
        "private_key_file": str(tmp_path / "key"),
        "known_hosts_file": str(tmp_path / "known_hosts"),
    }
    config = patched({"ampere:host": files})
    (tmp_path / "home.yaml").write_text(yaml.safe_dump({"config": config}))
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    program = folder / "bin" / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def doctor(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [*AMPERE, "home", "--config-file", str(folder / "home.yaml"), *options]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=folder, timeout=60
    )
    assert "Traceback" not in done.stderr
    key = (folder / "key").read_text().splitlines()[1]
    assert key not in done.stdout + done.stderr
    return done


COMPLAINTS = {
    "oppie@192.168.1.29: Permission denied (publickey).": ("dev", "ssh-copy-id -i"),
    "ssh: connect to host 192.168.1.29 port 22: Connection refused": ("host", "openssh-server"),
    "ssh: connect to host 192.168.1.29 port 22: Connection timed out": ("host", "ip -4 address"),
    "ssh: connect to host 192.168.1.29 port 22: No route to host": ("dev", "ping"),
    "Host key verification failed.": ("host", "ssh-keygen -lf"),
    "Load key: bad permissions": ("dev", "chmod 600"),
    "Something new\x1b[2J": ("dev", "ssh -v -i"),
}


@pytest.mark.parametrize("said", COMPLAINTS)
def test_a_login_that_fails_is_told_with_what_helps_and_the_local_findings(folder: Path, said: str):
    put(folder, "ssh", f"[ \"$1\" = -V ] && exec echo OpenSSH_9.2p1\necho '{said}' >&2\nexit 255")
    done = doctor(folder, "--over-ssh", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert {f["group"] for f in findings} == {
        *("this machine: programs", "this machine: names", "this machine: SSH")
    }
    login = next(f for f in findings if f["check"] == "login")
    assert said.partition("\x1b")[0] in login["found"]
    assert "\x1b" not in login["found"]
    where, command = COMPLAINTS[said]
    assert any(r["on"] == where and command in r["command"] for r in login["remedies"])


def test_without_keys_nothing_is_dialled_and_both_files_are_told(folder: Path):
    put(folder, "ssh", '[ "$1" = -V ] && exec echo OpenSSH_9.2p1\ntouch dialled')
    text = (folder / "home.yaml").read_text()
    (folder / "home.yaml").write_text(text.replace("/key", "/nokey").replace("/known", "/unknown"))
    done = doctor(folder, "--over-ssh")
    assert done.returncode == 1
    for word in ("BAD  private key", "BAD  known hosts", "ssh-keygen -t ed25519", "ssh-keyscan"):
        assert word in done.stdout
    assert "the KVM host (oppie-server): ssh-keygen -lf" in done.stdout
    assert not (folder / "dialled").exists()


def test_a_passphrase_is_told(folder: Path):
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a phrase", "-f", folder / "key"], check=True
    )
    assert "a passphrase keeps it shut" in doctor(folder, "--over-ssh").stdout


def run_here(words: list[str], script: str, folder: Path):
    steps: list[str] = []
    return run_probe(words, script, folder, steps.append), steps


def test_the_program_is_dialled_with_its_own_words_and_what_it_prints_first_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    put(folder, "ssh", '[ "$1" = -V ] && exec echo x\necho "$@" >words\necho Welcome; exec sh')
    monkeypatch.setattr(run, "probe", lambda _: "printf 'ampere\\t1\\nstep\\tlook\\nend\\t1\\n'")
    settings = run.parse("home", run.read_stack_file(folder / "home.yaml"))
    assert not isinstance(settings, run.FoundationSettings)
    groups = list(run._over_ssh(settings, folder / "project"))
    assert groups[0].findings[-1].found == "oppie@192.168.1.29, without a question"
    words = (folder / "project/words").read_text()
    for word in ("BatchMode=yes", "StrictHostKeyChecking=yes", ".ampere/known_hosts", "oppie@"):
        assert word in words
    assert (folder / "project/.ampere/known_hosts").read_text().startswith("192.168.1.29 ssh-ed")


def test_a_host_that_hangs_is_given_up_and_what_was_told_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reach, "TOTAL_SECONDS", 3.0)
    script = "printf 'ampere\\t1\\nstep\\tlibvirt\\n'; sleep 6071; echo end"
    answer, steps = run_here(["sh"], script, folder)
    assert answer.status is None
    assert answer.reached
    assert not answer.facts.whole
    assert steps == ["libvirt"]
    left = subprocess.run(
        ["pgrep", "-f", "^sleep 6071$"], capture_output=True, text=True, check=False
    )
    assert not left.stdout, "what it started is gone"


def test_a_host_that_never_stops_talking_is_given_up(folder: Path):
    answer, _ = run_here(["sh"], "printf 'ampere\\t1\\n'; while :; do echo x; done", folder)
    assert answer.status is None
    assert len(answer.facts.lines) <= 2001


def test_a_host_that_never_begins_is_not_reached(folder: Path):
    answer, _ = run_here(["sh"], "echo hello; exit 3", folder)
    assert not answer.reached
    assert answer.status == 3


def test_a_clock_that_is_wrong_is_seen(folder: Path):
    later = "printf 'ampere\\t1\\nclock\\t%s\\nend\\t1\\n' $(($(date +%s) + 86400))"
    answer, _ = run_here(["sh"], later, folder)
    assert 86395 < float(answer.facts.value("apart")) < 86405


def test_a_missing_program_is_told(folder: Path):
    answer, _ = run_here(["no-such-ssh"], "", folder)
    assert "no no-such-ssh on PATH" in answer.complaint


def test_only_an_own_address_is_here():
    assert is_here(IPv4Address("127.0.0.1"))
    assert not is_here(IPv4Address("192.0.2.77"))


def test_the_command_can_be_interrupted(folder: Path):
    put(folder, "ssh", '[ "$1" = -V ] && exec echo x\ntouch dialled; exec sleep 6077')
    words = [*AMPERE, "home", "--over-ssh", "--config-file", str(folder / "home.yaml")]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=folder, stdout=pipe, stderr=pipe) as process:
        while not (folder / "dialled").exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in told
    assert b"Traceback" not in told


def test_wrong_settings_are_told_and_nothing_is_looked_at(folder: Path):
    text = (folder / "home.yaml").read_text()
    (folder / "home.yaml").write_text(text.replace("4GiB", "4GB"))
    done = doctor(folder)
    assert done.returncode == 2
    assert "ampere:control_plane.memory" in done.stderr
    assert done.stdout == ""


def test_the_foundation_has_no_host_and_is_looked_at_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    ids = yaml.safe_load((cli.PROJECT / "Pulumi.foundation.yaml").read_text())["config"]
    azure = ids["ampere:azure"]
    put(folder, "pulumi", "echo v3.225.0")
    put(folder, "uv", "echo uv 0.9.5")
    put(folder, "sops", "echo sops 3.13.3")
    put(folder, "az", f"printf '{azure['tenant_id']}\\n{azure['subscription_id']}\\n'")
    assert cli.main(["doctor", "foundation"]) == 0
    shown = capsys.readouterr()
    assert "this stack has no host" in shown.err
    assert f"ok   login   subscription {azure['subscription_id']}" in shown.out
    for text, found in (("exit 1", "nobody is logged in"), ("echo x y", "another tenant's")):
        put(folder, "az", text)
        assert cli.main(["doctor", "foundation"]) == 1
        assert found in capsys.readouterr().out


PROGRAMS = {
    "exec echo v3.225.0": "ok",
    "exec echo v3.10.0": "bad",
    "exit 1": "unknown",
    "exec echo hello": "unknown",
}


@pytest.mark.parametrize("does", PROGRAMS)
def test_a_program_of_this_machine_is_judged_by_its_version(folder: Path, does: str):
    put(folder, "pulumi", does)
    found = local.program("pulumi", Floor("3.225.0", "install it"))
    assert found.verdict.value == PROGRAMS[does]


def test_a_program_that_is_not_there_is_wrong_unless_the_program_builds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert local.program("pulumi", Floor("", "")).verdict.value == "bad"
    assert local.program("sops", Floor("", "")).verdict.value == "warning"
    built = tmp_path / "ampere/tools/sops-0123456789abcdef"
    built.mkdir(parents=True)
    (built / "sops").write_text("#!/bin/sh\necho sops 3.13.3\n")
    (built / "sops").chmod(0o755)
    assert local.program("sops", Floor("3.11.0", "")).found == f"3.13.3 at {built / 'sops'}"


def test_names_are_told_with_the_line_that_this_system_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = run.parse("home", run.read_stack_file(folder / "home.yaml"))
    assert not isinstance(settings, run.FoundationSettings)
    answers = {"minio.local": ("192.168.1.29",), "s3.minio.local": ()}
    monkeypatch.setattr(local, "addresses_of", lambda names: answers)
    monkeypatch.setattr(local.sys, "platform", "win32")
    minio, s3, airflow, host = local.names(settings)
    assert [f.verdict.value for f in (minio, s3, airflow, host)] == [
        *("ok", "bad", "unknown", "warning")
    ]
    assert "PowerShell: Add-Content $env:windir" in s3.remedies[0].command
    monkeypatch.setattr(local.sys, "platform", "linux")
    _, s3, _, host = local.names(settings)
    assert "echo '192.168.1.29 minio.local" in s3.remedies[0].command
    assert "oppie-server" in host.remedies[0].command


def test_a_name_is_looked_up_for_real_and_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    assert local.addresses_of(["localhost"]) == {"localhost": ("127.0.0.1",)}
    monkeypatch.setattr(local, "LOOKUP_SECONDS", 0.2)
    monkeypatch.setattr(local.socket, "getaddrinfo", lambda *_: time.sleep(1) or [])
    assert local.addresses_of(["localhost"]) == {}


def test_every_command_line_that_the_documents_show_is_one(capsys: pytest.CaptureFixture[str]):
    documents = [cli.PROJECT / "README.md", *(cli.PROJECT / "docs").glob("*.md")]
    shown = {
        line
        for document in documents
        for line in re.findall(r"ampere (doctor [a-z-]+)", document.read_text(encoding="utf-8"))
    }
    run = {"doctor home", "doctor foundation", "doctor api"}
    assert shown == run, "the last in tests/engine/test_doctor_hetzner.py, the others above"
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "home", "--here", "--over-ssh"])
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
