"""The data disk with the real blkid and mkfs, on a file instead of a device."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ampere_infra.bootstrap.node import core, system
from ampere_infra.bootstrap.node.core import Failed

SIZE = 16 * 1024**2


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty disk, on a machine whose udev has nothing to do."""
    monkeypatch.setattr(core, "ROOT", Path("/"))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "udevadm").write_text("#!/bin/sh\n")
    (programs / "udevadm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
    device = tmp_path / "disk"
    with device.open("wb") as file:
        file.truncate(SIZE)
    return device


def run(*command: object) -> str:
    program = shutil.which(str(command[0]), path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert program, f"install {command[0]}"
    words = [program, *map(str, command[1:])]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_an_empty_disk_gets_a_labelled_file_system(disk: Path) -> None:
    system.data_disk(str(disk), "ampere-data")
    found = run("blkid", "--probe", "--output", "export", disk)
    assert "LABEL=ampere-data" in found
    assert "TYPE=ext4" in found


def test_a_disk_of_ours_is_not_touched_the_second_time(disk: Path) -> None:
    system.data_disk(str(disk), "ampere-data")
    before = disk.read_bytes()
    system.data_disk(str(disk), "ampere-data")
    assert disk.read_bytes() == before


@pytest.mark.parametrize(
    "make",
    [("mkfs.ext4", "-q", "-L", "photos"), ("mkswap",), ("mkfs.ext4", "-q")],
    ids=["another label", "swap", "no label"],
)
def test_a_disk_with_something_else_on_it_is_not_touched(disk: Path, make: tuple[str, ...]) -> None:
    run(*make, disk)
    before = disk.read_bytes()
    with pytest.raises(Failed, match="left alone"):
        system.data_disk(str(disk), "ampere-data")
    assert disk.read_bytes() == before


def test_a_mkfs_that_was_cut_off_before_its_superblock_is_done_again(disk: Path) -> None:
    system.data_disk(str(disk), "ampere-data")
    whole = disk.read_bytes()
    disk.write_bytes(whole[:512] + bytes(SIZE - 512))
    system.data_disk(str(disk), "ampere-data")
    assert "LABEL=ampere-data" in run("blkid", "--probe", "--output", "export", disk)
