"""The files of a Debian machine as a cloud image has them, before any is born from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.bootstrap.packages import DISTRIBUTIONS
from tests.ground.cache import kept, recipe
from tests.ground.commands import GroundError, run
from tests.ground.keys import key

if TYPE_CHECKING:
    from collections.abc import Callable

DEBIAN = DISTRIBUTIONS["debian-13"]
SUITE = DEBIAN.suite
KERNEL = "linux-image-cloud-amd64"
INCLUDED = (
    *(KERNEL, "initramfs-tools", "systemd-sysv", "systemd-resolved", "systemd-timesyncd"),
    *("udev", "dbus", "netplan.io", "cloud-init", "cloud-guest-utils", "fdisk", "e2fsprogs"),
    *("openssh-server", "sudo", "python3", "iproute2", "procps", "kmod"),
    *("debian-archive-keyring", "containernetworking-plugins"),
)
"""Nothing that a node is told to install by its own program, where no dependency brings it."""

ROOT_UUID = "6b1e7a52-0c3f-4d8e-9a61-52f7c0d1a3b4"
KEYRING = "usr/share/keyrings/debian-archive-keyring.pgp"
"""Where cloud-init's template of the package sources says that Debian's keys are."""

MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-pstore.service"),
    *("getty@tty1.service", "systemd-binfmt.service", "systemd-network-generator.service"),
    *("modprobe@drm.service", "modprobe@fuse.service", "modprobe@configfs.service"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-tracing.mount"),
    *("sys-kernel-debug.mount", "systemd-udev-load-credentials.service"),
)
"""What does nothing for a machine that lives for minutes, and takes seconds of its first."""

STAGES = (
    "ampere-os-ready",
    "ampere-packages",
    "kubeadm-init",
    "kubeadm-api-stable",
    "kubeadm-join",
)
"""The units that take a machine further, in their order; each has to wait for the one before."""
_TELL = """\
[Service]
ExecStartPre=-+/bin/sh -c 'echo Starting %n >/dev/console'
ExecStartPost=-+/bin/sh -c 'echo Finished %n >/dev/console'
ExecStopPost=-+/bin/sh -c '[ $$SERVICE_RESULT = success ] || echo Failed to start %n >/dev/console'
"""
"""systemd tells the console of units only while the machine boots, not of what it tries again."""

NETWORK = "10.244.0.0/16"
PLUGINS = ("bridge", "host-local", "loopback", "portmap", "ptp")
_CNI = f"""\
{{
  "cniVersion": "1.0.0",
  "name": "ground",
  "plugins": [
    {{
      "type": "ptp",
      "ipMasq": true,
      "ipam": {{
        "type": "host-local",
        "ranges": [[{{"subnet": "{NETWORK}"}}]],
        "routes": [{{"dst": "0.0.0.0/0"}}]
      }}
    }},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
  ]
}}
"""

FILES = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    # The kernel's line says all about the root: systemd neither checks nor remounts it.
    "etc/fstab": "",
    "etc/cloud/cloud.cfg.d/90_ground.cfg": "datasource_list: [NoCloud, Hetzner, None]\n",
    "etc/initramfs-tools/conf.d/ground": "MODULES=list\nCOMPRESS=lz4\nBUSYBOX=n\n",
    "etc/initramfs-tools/modules": "virtio_blk\n",
    "etc/apt/apt.conf.d/90ground": 'Acquire::Languages "none";\n',
    "etc/cni/net.d/10-ground.conflist": _CNI,
    **{f"etc/systemd/system/{unit}.service.d/ground.conf": _TELL for unit in STAGES},
    # The build's own sources are no machine's.
    "etc/apt/sources.list": "",
}


def rootfs(say: Callable[[str], None]) -> Path:
    """Return a folder with the files of the machine, which nobody changes.

    Raises:
        GroundError: This is not run by root, or Debian's packages cannot be had.
    """
    if os.geteuid() != 0:
        raise GroundError("a base image is built by root: run it with sudo")
    signer = key(say)

    def make(folder: Path) -> None:
        _debootstrap(folder, say)
        _prepare(folder, signer.keyring.read_bytes(), say)

    return kept("rootfs", recipe(Path(__file__), signer.fingerprint), make, say)


def packages_of(root: Path) -> dict[str, str]:
    """Return the packages in ``root`` and their versions."""
    form = "${Package} ${Version}\n"
    listed = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", form)
    return dict(line.split() for line in listed.splitlines())


def sources() -> list[str]:
    """Return Debian's package sources: from where this machine takes Debian's packages, if any."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    printed = run("apt-get", "indextargets", "--format", form)
    found = dict(re.findall(r"^Debian\|([\w-]+)\|(\S+)$", printed, re.MULTILINE))
    main = found.get("Debian", DEBIAN.mirror)
    security = found.get("Debian-Security", DEBIAN.security_mirror)
    suites = {SUITE: main, f"{SUITE}-updates": main, f"{SUITE}-security": security}
    return [f"deb {uri} {suite} main" for suite, uri in suites.items()]


def _debootstrap(folder: Path, say: Callable[[str], None]) -> None:
    run(
        *("mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"),
        *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none"),
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        f"--include={','.join(INCLUDED)}",
        *(SUITE, folder, *sources()),
        say=say,
        doing=f"unpacking Debian {SUITE}",
    )


def _prepare(root: Path, keyring: bytes, say: Callable[[str], None]) -> None:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with (root / KEYRING).open("ab") as file:
        file.write(keyring)
    for unit in MASKED:
        _link(root / "etc/systemd/system" / unit, "/dev/null")
    for plugin in PLUGINS:
        _link(root / "opt/cni/bin" / plugin, f"/usr/lib/cni/{plugin}")
    for path in root.glob("etc/ssh/ssh_host_*"):
        path.unlink()
    for name in ("etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap"):
        (root / name).unlink(missing_ok=True)
    _link(root / "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    (root / "etc/machine-id").write_text("")
    _enter(root, "systemctl", "enable", "systemd-networkd.service")
    _unpack_modules(root, say)
    _declare_updated(root)


def _declare_updated(root: Path) -> None:
    """Do here what systemd does at a boot after ``/usr`` has changed, as the first one is."""
    _enter(root, "ldconfig")
    _enter(root, "journalctl", "--update-catalog")
    changed = (root / "usr").stat().st_mtime_ns
    for name in ("etc/.updated", "var/.updated"):
        (root / name).touch()
        os.utime(root / name, ns=(changed, changed))


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _unpack_modules(root: Path, say: Callable[[str], None]) -> None:
    """Lay the kernel's modules there as they are used: to decompress them takes emulation long."""
    version = next((root / "lib/modules").iterdir()).name
    packed = [str(path) for path in (root / "lib/modules" / version).rglob("*.ko.xz")]
    run("xz", "--decompress", *packed, say=say, doing="unpacking the kernel's modules")
    _enter(root, "depmod", version)
    run(
        *("chroot", root, "update-initramfs", "-u", "-k", version),
        say=say,
        doing="making the initial file system",
    )


def _enter(root: Path, *words: str) -> None:
    done = subprocess.run(
        ["chroot", str(root), *words], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise GroundError(f"{' '.join(words)} in the new root: {done.stderr.strip()}")


def copied(root: Path, into: Path) -> None:
    """Copy the files of ``root``, sharing what the file system can share."""
    run("cp", "--archive", "--reflink=auto", f"{root}/.", into)
    shutil.copystat(root, into)
