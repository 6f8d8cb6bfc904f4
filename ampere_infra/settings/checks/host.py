"""Checks of the KVM host: who it is and where the machines' disks lie on it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import is_unicast, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.checks.common import ClusterSettings
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.mistakes import Mistake

_RESERVED = frozenset(
    (
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp"),
        *("proxy", "www-data", "backup", "list", "irc", "_apt", "nobody", "messagebus", "syslog"),
        *("systemd-network", "systemd-timesync", "systemd-resolve", "sshd", "polkitd", "tss"),
        *("landscape", "fwupd-refresh", "usbmux", "uuidd", "tcpdump", "pollinate", "etcd", "kube"),
        *("adm", "sudo", "users", "ubuntu"),
    )
)
"""Accounts and groups of the Ubuntu 24.04 cloud image and of Kubernetes' packages."""

_ANY = PurePosixPath("/")
_TOP = "bin boot dev etc home lib lib64 proc root run sbin snap sys tmp usr"
_SYSTEM = (
    *(_ANY / name for name in _TOP.split()),
    *(_ANY / "var" / name for name in ("tmp", "run", "log", "lib/dpkg", "lib/apt")),
)
_LIBVIRTS = tuple(
    _ANY / "var/lib/libvirt" / name
    for name in ("images", "qemu", "dnsmasq", "boot", "network", "secrets")
)
"""``images`` is the default pool."""
_SHALLOW = frozenset((_ANY / "var/lib", _ANY / "var/lib/libvirt"))


def login_is_free(s: ClusterSettings) -> Iterator[Mistake]:
    """The nodes' account is one that the image does not have already."""
    if s.cluster.login in _RESERVED:
        remedy = "is an account of the system already; choose another, such as ampere"
        yield wrong(s.cluster.login, remedy, "cluster", "login")


def address_is_reachable(s: HomeSettings) -> Iterator[Mistake]:
    """The host's address is one that others on the LAN can reach."""
    if not is_unicast(s.host.address):
        remedy = "is no machine's address on the LAN; write the host's"
        yield wrong(s.host.address, remedy, "host", "address")


def key_is_private(s: HomeSettings) -> Iterator[Mistake]:
    """SSH is given the private half of the key."""
    path = s.host.private_key_file
    if path.endswith(".pub"):
        remedy = f"is the public half; did you mean {path.removesuffix('.pub')}?"
        yield wrong(path, remedy, "host", "private_key_file")


def known_hosts_is_another_file(s: HomeSettings) -> Iterator[Mistake]:
    """The file of known hosts is not the key."""
    if s.host.known_hosts_file == s.host.private_key_file:
        remedy = "is the private key; write the file of known hosts, such as ~/.ssh/known_hosts"
        yield wrong(s.host.known_hosts_file, remedy, "host", "known_hosts_file")


def pool_has_a_folder_of_its_own(s: HomeSettings) -> Iterator[Mistake]:
    """The pool's folder belongs to nothing else: libvirt makes it and removes it."""
    path = PurePosixPath(s.storage.pool_path)
    example = f"such as /var/lib/libvirt/{getattr(s.cluster, 'name', 'ampere-k8s')}"
    if any(path.is_relative_to(system) for system in _SYSTEM):
        yield wrong(path, f"is a folder of the system; use another, {example}", *_POOL)
    elif path in _SHALLOW or path.parent == _ANY:
        yield wrong(path, f"holds other things too; use a folder below it, {example}", *_POOL)
    elif any(path.is_relative_to(own) for own in _LIBVIRTS):
        yield wrong(path, f"is libvirt's own folder; use another, {example}", *_POOL)


_POOL = ("storage", "pool_path")

CHECKS = (
    login_is_free,
    address_is_reachable,
    key_is_private,
    known_hosts_is_another_file,
    pool_has_a_folder_of_its_own,
)
