"""A KVM host for tests: libvirtd, sshd and what they need, in namespaces that end with it.

Its network, mounts, processes and host name are its own: bridges, firewall rules, leases and
machines never show outside, and when the one process that holds the namespaces goes, all goes.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import await_true

NAME = "kvm-host"
USER = "keeper"
"""Root by another name, with a home of its own: what the programs over SSH run as."""
ADDRESS = "192.168.254.1"
"""A private one, as the front lets in; nothing outside the host's own namespace has it."""

START_SECONDS = STOP_SECONDS = 120
_NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
_FIRST = ("--fork", "--kill-child", "--mount-proc")
_WITH_US = ("setpriv", "--pdeathsig=KILL")
"""The host ends with the process that made it, however that ends."""
_OWN = ("run/libvirt", "var/lib/libvirt", "etc/libvirt", "var/log/libvirt", "run/sshd")
"""Folders that the host has for itself; the machine's own stay as they are."""
_QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_SSHD = """\
ListenAddress {address}:22
HostKey {folder}/ssh_host_ed25519_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
SetEnv {environment}
"""
# Its shell is the first process of its namespace: waiting, it buries what libvirtd left.
_HOLD = """\
mount --make-rprivate /
for folder in {folders}; do mkdir -p /$folder; mount --bind {state}/$folder /$folder; done
for file in passwd hosts; do mount --bind {state}/etc/$file /etc/$file; done
hostname {name}
ip link set lo up
ip address add {address}/32 dev lo
touch {state}/ready
while :; do sleep 3600 & wait; done
"""


class TestHost:
    """A KVM host; what is done to it is gone when its context ends.

    Args:
        folder: an empty folder for all that it writes, machines' disks included.
        environment: variables of what runs over SSH.
        names: addresses by name, as its ``/etc/hosts``, which its machines' DNS also answers from.
    """

    __test__ = False

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._environment = dict(environment or {})
        self._names = dict(names or {})
        self._holder: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._init = 0

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a program's own that run it on the host."""
        return ("nsenter", f"--target={self._init}", "--net", "--mount", "--uts", "--ipc", "--pid")

    @property
    def home(self) -> Path:
        """Where the user's own files lie."""
        return self.folder / "home"

    @property
    def host_key(self) -> str:
        """The public half of sshd's key: kind and base64."""
        text = (self.folder / "ssh_host_ed25519_key.pub").read_text()
        return " ".join(text.split()[:2])

    def run(
        self, *words: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the host as its root."""
        done = subprocess.run(
            [*self.enter, *words], input=stdin, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done

    def start(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        """Start a program on the host that goes on; its output is in the file ``log``."""
        with (self.folder / log).open("ab") as file:
            process = subprocess.Popen(
                [*self.enter, *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        self._started.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a program that was started on the host; who entered for it ends with it."""
        for child in _children(process.pid):
            os.kill(child, signal.SIGTERM)
        process.wait(STOP_SECONDS)

    def virsh(self, *words: str, check: bool = True) -> str:
        """Ask libvirtd."""
        return self.run(
            "virsh", "--quiet", "--connect", "qemu:///system", *words, check=check
        ).stdout

    def authorize(self, public_key: str) -> None:
        """Let the owner of a key log in."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(public_key.rstrip() + "\n")

    def __enter__(self) -> Self:
        assert os.geteuid() == 0, "a KVM host in namespaces of its own takes root's rights"
        self._lay_out()
        text = _HOLD.format(folders=" ".join(_OWN), state=self.folder, name=NAME, address=ADDRESS)
        with (self.folder / "hold.log").open("wb") as log:
            self._holder = subprocess.Popen(
                [*_WITH_US, "unshare", *_NAMESPACES, *_FIRST, "sh", "-c", text],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._await((self.folder / "ready").exists, "the namespaces", "hold.log")
        self._init = _children(self._holder.pid)[0]
        self.start(
            shutil.which("sshd") or "/usr/sbin/sshd",
            "-D",
            "-e",
            "-f",
            f"{self.folder}/sshd.conf",
            log="sshd.log",
        )
        self.start_libvirtd()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._holder is not None:
            self._holder.send_signal(signal.SIGKILL)
            self._holder.wait()
        # Who entered for a program that was stopped has stopped as well.
        for process in self._started:
            process.kill()
            process.wait()

    def start_libvirtd(self) -> None:
        """Start libvirtd, which has not run or was stopped."""
        self.start("libvirtd", f"--pid-file={self.folder}/libvirtd.pid", log="libvirtd.log")
        self._await(
            lambda: self.run("virsh", "uri", check=False).returncode == 0,
            "libvirtd",
            "libvirtd.log",
        )

    def stop_libvirtd(self) -> None:
        """Stop libvirtd; its machines run on."""
        self.run("pkill", "-x", "libvirtd")
        self._await(
            lambda: self.run("pgrep", "-x", "libvirtd", check=False).returncode != 0,
            "the end of libvirtd",
            "libvirtd.log",
        )

    def _lay_out(self) -> None:
        for name in (*_OWN, "home", "etc"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/libvirt/qemu.conf").write_text(_QEMU)
        (self.folder / "etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
        user = f"{USER}:x:0:0::{self.home}:/bin/sh\n"
        (self.folder / "etc/passwd").write_text(Path("/etc/passwd").read_text() + user)
        known = {"localhost": "127.0.0.1", NAME: ADDRESS, **self._names}
        lines = "".join(f"{address} {name}\n" for name, address in known.items())
        (self.folder / "etc/hosts").write_text(lines)
        key = self.folder / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (self.folder / "authorized_keys").touch()
        variables = {"XDG_CACHE_HOME": f"{self.home}/.cache", **self._environment}
        told = " ".join(f'"{name}={value}"' for name, value in variables.items())
        text = _SSHD.format(address=ADDRESS, folder=self.folder, environment=told)
        (self.folder / "sshd.conf").write_text(text)

    def _await(self, done: Callable[[], bool], what: str, log: str) -> None:
        def said() -> str:
            return (self.folder / log).read_text()[-3000:]

        await_true(done, what, START_SECONDS, 0.1, said)


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in told.split()]
