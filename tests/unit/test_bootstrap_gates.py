"""Gates: the text that waits on a node, run for real, and the resource around it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ampere_infra.bootstrap import gates
from ampere_infra.bootstrap.gates import Stage

if TYPE_CHECKING:
    from pathlib import Path

STAGES = [
    gates.OS_READY,
    gates.CONTROL_PLANE_CREATED,
    gates.API_STABLE,
    gates.NODE_JOINED,
]


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of a node: sudo passes on, the journal has two lines, sleeping takes no time."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {
        "sudo": 'shift; exec "$@"',
        "journalctl": 'echo "journal of $*"; echo "no space left on device"',
        "sleep": 'echo "$1" >> "$(dirname "$0")/slept"',
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def wait(text: str, shell: str = "dash") -> subprocess.CompletedProcess[str]:
    program = shutil.which(shell)
    assert program, f"install {shell}"
    return subprocess.run([program, "-c", text], capture_output=True, text=True, check=False)


def some(tmp_path: Path) -> Stage:
    result = tmp_path / "birth.json"
    result.write_text('{"kubernetes": "1.36.3"}\n')
    return Stage("OS_READY", ("one.service", "two.service"), str(result))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.marker)
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_text_is_one_that_a_posix_shell_reads(stage: Stage, shell: str) -> None:
    program = shutil.which(shell)
    assert program
    text = gates.script("node", stage, 900)
    done = subprocess.run([program, "-n", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.usefixtures("bin_folder")
def test_a_gate_is_open_when_the_marker_is_there(tmp_path: Path) -> None:
    (tmp_path / "OS_READY").touch()
    done = wait(gates.script("node1", some(tmp_path), 900, state=str(tmp_path)))
    assert done.returncode == 0
    assert done.stdout == '{"kubernetes": "1.36.3"}\n', "its output is what the stage gives back"
    assert not done.stderr, "and nothing is said"


def test_a_gate_opens_as_soon_as_the_marker_comes(tmp_path: Path, bin_folder: Path) -> None:
    (bin_folder / "sleep").write_text(f'#!/bin/sh\ntouch "{tmp_path}/OS_READY"\n')
    done = wait(gates.script("node1", some(tmp_path), 900, state=str(tmp_path)))
    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_gate_gives_up_at_its_deadline_and_shows_the_journal(
    tmp_path: Path, bin_folder: Path, shell: str
) -> None:
    done = wait(gates.script("node1", some(tmp_path), 60, state=str(tmp_path)), shell)
    assert done.returncode == 1
    assert not done.stdout
    slept = sum(map(int, (bin_folder / "slept").read_text().split()))
    assert slept == 60, "no second more or less"
    assert "node1: no OS_READY after 60 s. The end of its units' journal:" in done.stderr
    assert "--lines=40 --unit=one.service --unit=two.service" in done.stderr
    assert done.stderr.endswith("no space left on device\n"), "why it failed is the last line"


@pytest.mark.usefixtures("bin_folder")
def test_a_gate_says_every_15_seconds_what_it_waits_for(tmp_path: Path) -> None:
    done = wait(gates.script("node1", some(tmp_path), 60, state=str(tmp_path)))
    told = [line for line in done.stderr.splitlines() if "waiting for" in line]
    assert [line.split(":")[1].split(", ")[1] for line in told] == [
        "15 s of 60 s",
        "30 s of 60 s",
        "45 s of 60 s",
    ]


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """Where the node says what only a person can change: the disk was full at the last try."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "packages").write_text("ampere-node packages: the disk is full\n")
    return folder


def meanwhile(bin_folder: Path, text: str) -> Path:
    """Run ``text`` at each look of the gate, the how manieth is in ``$look``; return its record."""
    record = bin_folder / "slept"
    look = f'echo "$1" >> "{record}"; look=$(wc -l < "{record}")'
    (bin_folder / "sleep").write_text(f"#!/bin/sh\n{look}\n{text}\n")
    return record


def seconds(record: Path) -> int:
    return sum(map(int, record.read_text().split()))


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_gate_gives_up_early_where_only_a_person_can_help(
    tmp_path: Path, bin_folder: Path, blocked: Path, shell: str
) -> None:
    again = f'[ $((look % 5)) -ne 0 ] || echo "the disk is full, try $look" > {blocked}/packages'
    slept = meanwhile(bin_folder, again)
    text = gates.script("node", some(tmp_path), 900, str(tmp_path), blocked=str(blocked))
    done = wait(text, shell)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "node: OS_READY will not come before somebody changes this:\nthe disk is full, try 10\n"
    )
    assert seconds(slept) == 30, "half a minute's patience"


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_gate_waits_for_the_try_after_somebody_has_helped(
    tmp_path: Path, bin_folder: Path, blocked: Path, shell: str
) -> None:
    slept = meanwhile(bin_folder, f'[ "$look" -ne 100 ] || touch "{tmp_path}/OS_READY"')
    text = gates.script("node", some(tmp_path), 900, str(tmp_path), blocked=str(blocked))
    done = wait(text, shell)
    assert done.returncode == 0, done.stderr
    assert seconds(slept) == 300, "the words of the last try stay until this one ends"
    assert "somebody" not in done.stderr


def test_what_somebody_helped_first_is_no_reason_to_give_up_the_rest(
    tmp_path: Path, bin_folder: Path, blocked: Path
) -> None:
    (blocked / "data-disk").write_text("it holds something that is not ours\n")
    helped = f'[ "$look" -ne 30 ] || rm "{blocked}/data-disk"'
    meanwhile(bin_folder, f'{helped}; [ "$look" -ne 60 ] || touch "{tmp_path}/OS_READY"')
    text = gates.script("node", some(tmp_path), 900, str(tmp_path), blocked=str(blocked))
    assert wait(text).returncode == 0


def test_a_try_that_is_blocked_again_after_minutes_ends_the_wait(
    tmp_path: Path, bin_folder: Path, blocked: Path
) -> None:
    again = f'[ "$look" -ne 100 ] || echo "the disk is full, again" > {blocked}/packages'
    slept = meanwhile(bin_folder, again)
    text = gates.script("node", some(tmp_path), 900, str(tmp_path), blocked=str(blocked))
    done = wait(text)
    assert done.returncode == 1
    assert done.stderr.endswith("the disk is full, again\n")
    assert seconds(slept) == 300


def test_a_gate_really_waits(tmp_path: Path) -> None:
    text = gates.script("node1", some(tmp_path), 1, state=str(tmp_path), pause=1)
    done = wait(text.replace("sudo -n journalctl", "echo journal"))
    assert done.returncode == 1


def test_a_node_without_sudo_still_gets_its_deadline(tmp_path: Path, bin_folder: Path) -> None:
    (bin_folder / "sudo").write_text("#!/bin/sh\necho 'a password is required' >&2\nexit 1\n")
    done = wait(gates.script("node1", some(tmp_path), 30, state=str(tmp_path)))
    assert done.returncode == 1
    assert "a password is required" in done.stderr
