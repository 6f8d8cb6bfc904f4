"""The disk that every test machine is born from, made without loop devices or mounts."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.ground.cache import kept, recipe
from tests.ground.commands import run
from tests.ground.containers import containers
from tests.ground.rootfs import ROOT_UUID, copied, rootfs

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_MIB: Final = 5120
START_MIB: Final = 1
"""Before the only partition lie the boot sector and GRUB's core."""

KERNEL_LINE: Final = (
    f"root=UUID={ROOT_UUID} rw rootflags=errors=remount-ro console=ttyS0 "
    "clearcpuid=cx16 audit=0 fsck.mode=skip tsc=reliable panic=5"
)
"""An emulated processor's counters are one and the same, but do not say so: without ``tsc`` each
look at the clock leaves the machine, and programs written in Go look at it all the time. Now and
then a kernel with two emulated processors stumbles over its own code while it patches it
(``Oops: int3``), and starts again."""
_GRUB: Final = "i386-pc"
_GRUB_FOLDER: Final = Path("/usr/lib/grub") / _GRUB
_GRUB_MODULES: Final = ("biosdisk", "part_msdos", "ext2", "linux")


@dataclass(frozen=True)
class BaseImage:
    """A disk image that cloud-init makes a machine of."""

    path: Path
    sha256: str


def base_image(say: Callable[[str], None]) -> BaseImage:
    """Return the base image, building what is not there yet.

    Raises:
        GroundError: This is not run by root, or a program failed.
        BuildError: A program of a container image could not be built.
    """
    files, preloaded = rootfs(say), containers(say)
    key = recipe(Path(__file__), files.name, preloaded.name)

    def make(folder: Path) -> None:
        _build(folder, files, preloaded, say)

    folder = kept("image", key, make, say)
    return BaseImage(folder / "debian-13.qcow2", (folder / "sha256").read_text())


def _build(folder: Path, files: Path, preloaded: Path, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=folder) as staging:
        root, raw = Path(staging) / "root", Path(staging) / "raw"
        (root / "var/lib/containerd").mkdir(parents=True)
        copied(files, root)
        copied(preloaded, root / "var/lib/containerd")
        _partition(raw)
        _format(raw, root, say)
        _make_bootable(raw, root)
        image = folder / "debian-13.qcow2"
        run("qemu-img", "convert", "-O", "qcow2", raw, image, say=say, doing="writing the image")
    (folder / "sha256").write_text(_sha256(image))


def _partition(raw: Path) -> None:
    with raw.open("wb") as file:
        os.truncate(file.fileno(), SIZE_MIB << 20)
    table = f"label: dos\nstart={START_MIB}MiB, type=83, bootable\n"
    run("sfdisk", "--quiet", raw, stdin=table.encode())


def _format(raw: Path, root: Path, say: Callable[[str], None]) -> None:
    """Make the file system, without those features that GRUB 2.06 cannot read."""
    run(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-U", ROOT_UUID),
        *("-O", "^metadata_csum_seed,^orphan_file", "-m", "1"),
        *("-E", f"offset={START_MIB << 20},lazy_itable_init=0,lazy_journal_init=0"),
        *("-d", root, raw, f"{SIZE_MIB - START_MIB}M"),
        say=say,
        doing="filling the file system",
    )


def _make_bootable(raw: Path, root: Path) -> None:
    core = raw.with_name("core.img")
    script = raw.with_name("grub.cfg")
    kernel = next((root / "boot").glob("vmlinuz-*")).name
    initial = kernel.replace("vmlinuz", "initrd.img")
    script.write_text(
        f"set root=(hd0,msdos1)\nlinux /boot/{kernel} {KERNEL_LINE}\ninitrd /boot/{initial}\nboot\n"
    )
    prefix = "(hd0,msdos1)/boot/grub"
    options = ("-O", _GRUB, "-p", prefix, "-c", script, "-o", core)
    run("grub-mkimage", *options, *_GRUB_MODULES)
    sector, size = 512, core.stat().st_size
    assert size < (START_MIB << 20) - sector, "GRUB's core fits before the partition"
    with raw.open("r+b") as file:
        file.write((_GRUB_FOLDER / "boot.img").read_bytes()[:440])
        file.seek(sector)
        file.write(core.read_bytes())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
