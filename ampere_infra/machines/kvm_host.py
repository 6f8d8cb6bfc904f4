"""The KVM host, and every way to reach it: commands, hooks, libvirt, a proxy to the nodes."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pulumi
from pulumi_command import remote
from pydantic import SecretStr

from ampere_infra.machines.known_hosts import HostKey, host_key
from ampere_infra.settings.mistakes import Mistake, SettingsError, spelled

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from ampere_infra.settings.home import Host

KNOWN_HOSTS: Final = ".ampere/known_hosts"
"""The host's pinned key alone, below the project's folder, for programs that read such a file."""

DIAL_SECONDS: Final = 15
HOST_DIALS: Final = 10
"""Attempts at the host: it is there, and a wrong key should not take minutes to say so."""
NODE_DIALS: Final = 30
"""Attempts at a node, about two minutes: it may be restarting."""

REQUIRED_KIND: Final = "ssh-ed25519"
"""What the libvirt provider agrees on with every host that has one: no other can be pinned."""

_BEGIN = "PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\x00"


@dataclass(frozen=True)
class KvmHost:
    """The host, with its key pinned and the user's key read."""

    user: str
    address: IPv4Address
    host_key: HostKey
    private_key: SecretStr
    key_file: str
    """The private key's file as the settings spell it, with ``/``."""

    def connection(self) -> remote.ConnectionArgs:
        """How commands run on the host."""
        return remote.ConnectionArgs(
            host=str(self.address),
            user=self.user,
            private_key=self._secret_key(),
            host_key=str(self.host_key),
            dial_error_limit=HOST_DIALS,
            per_dial_timeout=DIAL_SECONDS,
        )

    def proxy(self) -> remote.ProxyConnectionArgs:
        """How commands reach a node behind NAT: through the host."""
        return remote.ProxyConnectionArgs(
            host=str(self.address),
            user=self.user,
            private_key=self._secret_key(),
            host_key=str(self.host_key),
            dial_error_limit=HOST_DIALS,
            per_dial_timeout=DIAL_SECONDS,
        )

    def _secret_key(self) -> pulumi.Output[str]:
        return pulumi.Output.secret(self.private_key.get_secret_value())

    @property
    def ssh(self) -> list[str]:
        """The OpenSSH client's words up to the command, which runs without a question asked."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": KNOWN_HOSTS,
            "HostKeyAlgorithms": self.host_key.kind,
            "IdentitiesOnly": "yes",
            "UpdateHostKeys": "no",
            "ConnectTimeout": str(DIAL_SECONDS),
            "LogLevel": "ERROR",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", *words, "-i", expanded(self.key_file), f"{self.user}@{self.address}"]

    @property
    def libvirt_uri(self) -> str:
        """Where the libvirt provider finds libvirtd; the same for everybody who runs the program.

        The provider expands ``~/`` in ``keyfile`` on every system, and only there; its other
        defaults need ``${HOME}``, which Windows does not set.
        """
        query = urlencode(
            {
                "keyfile": self.key_file,
                "knownhosts": KNOWN_HOSTS,
                "known_hosts_verify": "normal",
                "sshauth": "privkey",
            },
            safe="/:~",
        ).replace("+", "%20")
        return f"qemu+ssh://{self.user}@{self.address}/system?{query}"


def kvm_host(settings: Host, project: Path) -> KvmHost:
    """The host that ``settings`` tell of; its pinned key is written below ``project``.

    Raises:
        SettingsError: The private key cannot be used, or the host's own key is not known.
    """
    key, pinned = _private_key(settings), _pinned(settings)
    if isinstance(key, str) or isinstance(pinned, str):
        raise SettingsError(
            Mistake(f"ampere:host.{setting}", spelled(getattr(settings, setting)), found)
            for setting, found in (("private_key_file", key), ("known_hosts_file", pinned))
            if isinstance(found, str)
        )
    file = project / KNOWN_HOSTS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{settings.address} {pinned}\n", encoding="utf-8", newline="\n")
    return KvmHost(
        user=settings.user,
        address=settings.address,
        host_key=pinned,
        private_key=key,
        key_file=settings.private_key_file.replace("\\", "/"),
    )


def expanded(path: str) -> str:
    """``path`` with ``~/`` replaced by this user's folder, with ``/`` on every system."""
    plain = path.replace("\\", "/")
    return (Path.home() / plain[2:]).as_posix() if plain.startswith("~/") else plain


def _pinned(settings: Host) -> HostKey | str:
    name, address = settings.name, str(settings.address)
    scan = f"ssh-keyscan -t ed25519 {address} >> {settings.known_hosts_file}"
    learn = (
        f"on this machine run `{scan}`, and compare the key with what `ssh-keygen -lf "
        f"/etc/ssh/ssh_host_ed25519_key.pub` prints on {name}"
    )
    text = _text_of(settings.known_hosts_file)
    if text is None:
        return f"there is no such file that can be read here: {learn}"
    known = host_key(text, [address, name])
    if known is None:
        return f"it knows no host key of {name} or {address}: {learn}"
    if known.kind != REQUIRED_KIND:
        return f"it knows {name} by {known.kind} only, libvirt's client wants ED25519: {learn}"
    return known


def _private_key(settings: Host) -> SecretStr | str:
    text = _text_of(settings.private_key_file)
    make = (
        f"on this machine run `ssh-keygen -t ed25519 -N '' -f {settings.private_key_file}` and "
        f"`ssh-copy-id -i {settings.private_key_file} {settings.user}@{settings.address}`"
    )
    if "$" in settings.private_key_file:
        return "the libvirt provider takes $ for a variable: write the path without it"
    if text is None:
        return f"there is no such file that can be read here: {make}"
    if _BEGIN not in text:
        return f"it holds no OpenSSH or PEM private key: {make}"
    if _is_encrypted(text):
        return f"a passphrase keeps it shut, and nobody is asked here; make one without: {make}"
    return SecretStr(text.replace("\r\n", "\n").rstrip("\n") + "\n")


def _text_of(path: str) -> str | None:
    try:
        return Path(expanded(path)).read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError):
        return None


def _is_encrypted(text: str) -> bool:
    """Whether a passphrase is needed: PEM says so in words, OpenSSH names the cipher first."""
    if "ENCRYPTED" in text:
        return True
    body = "".join(line for line in text.splitlines() if "-----" not in line and ":" not in line)
    try:
        raw = base64.b64decode(body)
    except binascii.Error:
        return False
    length = len(_OPENSSH_MAGIC) + 4
    return raw.startswith(_OPENSSH_MAGIC) and raw[length : length + 4] != b"none"
