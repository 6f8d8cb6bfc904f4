"""Stage 1: the operating system is what Kubernetes expects."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import TYPE_CHECKING

from .core import Blocked, Failed, ask, at, facts, mark, room, run, say, write

if TYPE_CHECKING:
    from pathlib import Path

CLOCK_WAIT = 90
"""Seconds to wait for the first time synchronisation; a node without a network goes on after."""

CLOUD_INIT_WAIT = 900
"""Seconds to wait for cloud-init, whose last stage this one runs beside."""
RESULT = "/run/cloud-init/result.json"
"""What cloud-init writes at its end; without errors there, it may have warned of something."""
ROOM = 64
"""MiB: the little that this stage writes."""


def os_ready() -> None:
    """Earn ``OS_READY``."""
    known = facts()
    run("modprobe", "--all", *known["modules"])
    ask("modprobe", "--all", *known["optional_modules"])
    run("sysctl", "--quiet", "--system")
    swap_off()
    await_clock()
    cloud_init_done()
    room("/", ROOM)
    check_address(known["address"])
    mark("OS_READY")


def cloud_init_done() -> None:
    """Wait for cloud-init and refuse to build on a part of what it should have done.

    Raises:
        Failed: it ended with errors, or has not ended.
    """
    result = at(RESULT)
    for _ in range(CLOUD_INIT_WAIT * 5):
        if result.exists():
            break
        time.sleep(1 / 5)
    else:
        raise Failed(f"cloud-init has not ended\n{ask('cloud-init', 'status', '--long')[1]}")
    errors: list[str] = json.loads(result.read_text(encoding="utf-8"))["v1"]["errors"]
    if errors:
        raise Failed(f"cloud-init failed; see /var/log/cloud-init.log\n{'; '.join(errors)}")


def swap_off() -> None:
    """Turn swap off, now and at every boot."""
    run("swapoff", "--all")
    mask = at("/etc/systemd/system/swap.target")
    if not mask.is_symlink():
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.symlink_to("/dev/null")
    fstab = at("/etc/fstab")
    if fstab.exists():
        old = fstab.read_text(encoding="utf-8")
        new = re.sub(r"^(?!#)(\S+\s+\S+\s+swap\s)", r"# \1", old, flags=re.MULTILINE)
        if new != old:
            write(fstab, new)


def await_clock() -> None:
    """Wait for the time servers, because certificates have a first valid second."""
    for _ in range(CLOCK_WAIT // 3):
        _, output, _ = ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
        if output.strip() == "yes":
            return
        time.sleep(3)
    say("WARNING: no time server answered; going on with the machine's own clock")


def check_address(address: str) -> None:
    """Make sure that the node's own address is up and SSH answers on it.

    Raises:
        Failed: the address is missing, or nothing that speaks SSH listens on it.
    """
    try:
        with socket.create_connection((address, 22), timeout=10) as connection:
            banner = connection.recv(4)
    except OSError as error:
        raise Failed(f"no SSH at {address}:22 yet: {error}") from error
    if banner != b"SSH-":
        raise Failed(f"what listens at {address}:22 is not SSH")


def data_disk(device: str, label: str) -> None:
    """Put a file system on ``device`` if, and only if, there is nothing at all on it.

    A disk that was attached again keeps its data. cloud-init's ``fs_setup`` would format a disk
    whose label or type is another, whatever its ``overwrite`` says, and does it only once.

    Raises:
        Failed: the device is missing.
        Blocked: it holds something that is not ours.
    """
    await_device(at(device))
    status, found, _ = ask("blkid", "--probe", "--output", "export", device)
    if status == 2:  # noqa: PLR2004 - blkid's status for "nothing found"
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-L", label, device)
    elif f"LABEL={label}" not in found.splitlines() or "TYPE=ext4" not in found.splitlines():
        raise Blocked(f"{device} holds something that is not ours, left alone:\n{found}")
    run("udevadm", "trigger", "--settle", device)


def await_device(device: Path) -> None:
    """Wait up to 60 s for ``device``."""
    for _ in range(60):
        if device.exists():
            return
        time.sleep(1)
    raise Failed(f"there is no {device}")
