"""Whether this machine can run others by KVM: ``/dev/kvm`` alone does not tell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIGN = b"Linux version"
"""What every kernel says first."""
SECONDS = 15


def kvm_works(image: Path, say: Callable[[str], None]) -> bool:
    """Start a machine from ``image`` by KVM and see whether its kernel says a word."""
    if not Path("/dev/kvm").exists():
        say("there is no /dev/kvm: machines are emulated")
        return False
    words = ("-accel", "kvm", "-cpu", "qemu64", "-machine", "pc", "-m", "512", "-nodefaults")
    disk = ("-drive", f"file={image},format=qcow2,if=virtio,snapshot=on")
    try:
        subprocess.run(
            ["qemu-system-x86_64", *words, *disk, "-display", "none", "-serial", "stdio"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as expired:
        works = SIGN in (expired.stdout or b"")
    else:
        works = False
    say("machines run by KVM" if works else "KVM runs no kernel here: machines are emulated")
    return works
