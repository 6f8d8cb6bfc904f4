"""Stages 1 and 2 on the node: operating system, data disk, packages, a steady API."""

from __future__ import annotations

import errno
import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bootstrap_cases import home
from bootstrap_node_cases import FakeNode, fake_node

from ampere_infra.bootstrap.node import __main__ as program
from ampere_infra.bootstrap.node import api, core, packages, system
from ampere_infra.bootstrap.node.core import Failed
from ampere_infra.bootstrap.node_files import MODULES, OPTIONAL_MODULES


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    made = fake_node(tmp_path, monkeypatch, home().master)
    made.answer("timedatectl", "echo yes")
    made.put(system.RESULT, '{"v1": {"datasource": "NoCloud", "errors": []}}')
    monkeypatch.setattr(system, "check_address", lambda _address: None)
    monkeypatch.setattr(packages, "trust", lambda _key: None)
    return made


def test_a_marker_holds_the_time_and_is_whole_or_not_there(node: FakeNode) -> None:
    core.mark("OS_READY")
    text = (node.root / "var/lib/ampere/OS_READY").read_text()
    assert text.endswith("Z\n"), "the time, in UTC"
    assert text.count("T") == 1
    assert [path.name for path in (node.root / "var/lib/ampere").iterdir()] == ["OS_READY"], (
        "no temporary file is left"
    )


def test_a_write_that_is_cut_off_leaves_the_file_before(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = node.put("/etc/some", "before")

    def cut(_descriptor: int) -> None:
        raise SystemExit

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(SystemExit):
        core.write(file, "after")
    assert file.read_text() == "before"


def test_a_secret_file_is_never_readable_by_others(node: FakeNode) -> None:
    file = node.root / "secret"
    core.write(file, "x", 0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_operating_system_is_ready_when_all_of_it_is(node: FakeNode) -> None:
    system.os_ready()
    assert f"modprobe --all {' '.join(MODULES)}" in node.calls
    assert f"modprobe --all {' '.join(OPTIONAL_MODULES)}" in node.calls
    assert "sysctl --quiet --system" in node.calls
    assert (node.root / "etc/systemd/system/swap.target").readlink() == Path("/dev/null")
    assert core.marked("OS_READY")


@pytest.mark.parametrize(
    ("failing", "message"),
    [("sysctl", "sysctl --quiet --system"), ("modprobe", "modprobe --all overlay")],
)
def test_an_operating_system_that_lacks_something_is_not_ready(
    node: FakeNode, failing: str, message: str
) -> None:
    node.answer(failing, "exit 1")
    with pytest.raises(Failed, match=message):
        system.os_ready()
    assert not core.marked("OS_READY")


def test_what_cloud_init_did_not_finish_is_not_built_on(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put(system.RESULT, '{"v1": {"errors": ["write_files broke"]}}')
    with pytest.raises(Failed, match=r"cloud-init failed; .*\nwrite_files broke"):
        system.os_ready()
    (node.root / system.RESULT.lstrip("/")).unlink()
    monkeypatch.setattr(system, "CLOUD_INIT_WAIT", 0)
    node.answer("cloud-init", "echo status: running")
    with pytest.raises(Failed, match=r"cloud-init has not ended\nstatus: running"):
        system.os_ready()
    assert not core.marked("OS_READY")


def test_a_node_without_time_servers_goes_on_and_says_so(
    node: FakeNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.answer("timedatectl", "echo no")
    system.os_ready()
    assert "no time server answered" in capsys.readouterr().err
    assert core.marked("OS_READY")


def test_swap_stays_off_after_a_reboot(node: FakeNode) -> None:
    fstab = node.put("/etc/fstab", "LABEL=root / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n")
    system.swap_off()
    system.swap_off()
    assert fstab.read_text() == (
        "LABEL=root / ext4 defaults 0 1\n# /swap.img none swap sw 0 0\n"
    ), "commented once, the rest untouched"


def test_an_empty_data_disk_gets_a_file_system(node: FakeNode) -> None:
    node.put("/dev/vdc")
    node.answer("blkid", "exit 2")
    system.data_disk("/dev/vdc", "ampere-data")
    assert "mkfs.ext4 -q -F -m 0 -L ampere-data /dev/vdc" in node.calls


def test_a_data_disk_that_was_attached_again_keeps_its_data(node: FakeNode) -> None:
    node.put("/dev/vdc")
    node.answer("blkid", "echo LABEL=ampere-data; echo TYPE=ext4")
    system.data_disk("/dev/vdc", "ampere-data")
    assert not [call for call in node.calls if call.startswith("mkfs")]


@pytest.mark.parametrize("found", ["TYPE=xfs", "LABEL=photos; echo TYPE=ext4", "PTTYPE=gpt"])
def test_a_disk_with_something_else_on_it_is_left_alone(node: FakeNode, found: str) -> None:
    node.put("/dev/vdc")
    node.answer("blkid", f"echo {found}")
    with pytest.raises(Failed, match="not ours, left alone"):
        system.data_disk("/dev/vdc", "ampere-data")
    assert not [call for call in node.calls if call.startswith("mkfs")]


def test_a_missing_data_disk_is_named(node: FakeNode) -> None:
    with pytest.raises(Failed, match=r"there is no .*/dev/vdc"):
        system.data_disk("/dev/vdc", "ampere-data")
    assert not node.calls


def test_packages_are_installed_at_their_versions_and_held(node: FakeNode) -> None:
    packages.packages()
    install = next(call for call in node.calls if " install " in call)
    cluster = home().cluster
    assert f"kubelet={cluster.kubernetes}-*" in install
    assert f"containerd.io={cluster.containerd}-*" in install
    assert " conntrack" in install
    hold = next(call for call in node.calls if "apt-mark" in call)
    assert hold == "apt-mark hold kubeadm kubectl kubelet containerd.io"
    assert core.marked("PACKAGES_INSTALLED")


def test_an_interrupted_installation_is_finished_first(node: FakeNode) -> None:
    packages.packages()
    assert node.calls[0].startswith("dpkg --force-confdef --force-confold --configure")


def test_a_package_that_was_cut_off_half_way_is_installed_anew(node: FakeNode) -> None:
    node.answer("dpkg", "exit 1")
    node.answer("dpkg-query", r"printf 'ii :socat\niHR:cri-tools\niU :kubeadm\n'")
    packages.packages()
    installs = [call for call in node.calls if " install " in call]
    assert installs[0].endswith("install --fix-broken --reinstall cri-tools")
    assert "kubelet=" in installs[1], "and all that is wanted after it"
    assert core.marked("PACKAGES_INSTALLED")


def test_what_apt_had_fetched_before_a_boot_is_fetched_anew_once(node: FakeNode) -> None:
    empty = node.put("/var/lib/apt/lists/mirror_Packages", "")
    packages.packages()
    assert not empty.exists(), "a power cut may have emptied it"
    cleaned = [" clean" in call for call in node.calls].index(True)
    assert cleaned < [" update" in call for call in node.calls].index(True)
    fetched = node.put("/var/lib/apt/lists/mirror_Packages", "Package: kubelet")
    packages.packages()
    assert fetched.exists(), "another try in the same boot keeps it"


def test_without_the_mirror_no_package_is_taken_for_installed(node: FakeNode) -> None:
    node.answer("apt-get", 'case "$*" in *update*) exit 100;; esac')
    with pytest.raises(Failed, match="apt-get"):
        packages.packages()
    assert not core.marked("PACKAGES_INSTALLED")


def serve(monkeypatch: pytest.MonkeyPatch, answers: list[bool]) -> None:
    left = iter(answers)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_known: SimpleNamespace())
    monkeypatch.setattr(api, "answers", lambda _url, _context: next(left))


def test_the_api_is_stable_after_so_many_answers_in_a_row(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.facts(api_stable_probes=3)
    serve(monkeypatch, [True, True, False, True, True, True])
    api.api_stable()
    assert core.marked("API_STABLE"), "two answers before a failure count for nothing"


def test_an_api_that_answers_now_and_then_is_not_stable(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.facts(api_stable_probes=3)
    serve(monkeypatch, [True, True, False] * 10)
    with pytest.raises(Failed, match="never answered 3 times in a row"):
        api.api_stable()
    assert not core.marked("API_STABLE")


def test_cluster_info_is_written_for_those_who_may_read_it(node: FakeNode) -> None:
    node.answer("kubectl", 'printf "public kubeconfig"')
    api.write_join()
    file = node.root / "var/lib/ampere/public/cluster-info"
    assert file.read_text() == "public kubeconfig\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_failure_is_one_line_and_status_1(
    node: FakeNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.answer("kubectl", "exit 1")
    assert program.main(["write-join"]) == 1
    assert capsys.readouterr().err.startswith("ampere-node write-join: no cluster-info yet")


def test_what_only_a_person_can_change_is_told_until_it_is_changed(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = node.root / "run/ampere/blocked/os-ready"
    monkeypatch.setattr(system, "ROOM", 1 << 40)
    usual = os.umask(0o077)
    try:
        assert program.main(["os-ready"]) == 1
    finally:
        os.umask(usual)
    assert "the disk is full: / has " in told.read_text()
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (told, *told.parents[:2])]
    assert modes == [0o644, 0o755, 0o755], "the gate reads it, which is not root"
    monkeypatch.setattr(system, "ROOM", 1)
    program.main(["os-ready"])
    assert not told.exists(), "there is room again"


def test_a_disk_that_fills_up_meanwhile_is_told_as_well(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/var/lib/ampere")

    monkeypatch.setattr(system, "os_ready", full)
    assert program.main(["os-ready"]) == 1
    told = (node.root / "run/ampere/blocked/os-ready").read_text()
    assert "No space left on device: /var/lib/ampere" in told


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["format"]) == 2
    assert "use one of os-ready" in capsys.readouterr().err


def test_every_command_of_a_unit_or_gate_exists() -> None:
    folder = Path(program.__file__).parent
    for command, module in program.COMMANDS.items():
        text = (folder / f"{module}.py").read_text(encoding="utf-8")
        assert f"def {command.replace('-', '_')}(" in text, command


@pytest.mark.parametrize("module", sorted(set(program.COMMANDS.values())))
def test_the_node_program_needs_nothing_but_python(module: str) -> None:
    code = (
        "import sys, json; before = set(sys.modules);"
        f"sys.path.insert(0, {str(Path(program.__file__).parents[1])!r});"
        f"import node.{module};"
        "print(json.dumps([m for m in sys.modules if m.partition('.')[0] not in"
        " sys.stdlib_module_names | {'node', '__main__'} and m not in before]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
