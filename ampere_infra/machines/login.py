"""The login on the KVM host: the user's key, the host's own key, and the SSH client's words."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.machines.known_hosts import HostKey, host_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ampere_infra.settings.home import Host

KNOWN_HOSTS: Final = ".ampere/known_hosts"
"""The host's pinned key alone, below the project's folder, for programs that read such a file."""

DIAL_SECONDS: Final = 15
REQUIRED_KIND: Final = "ssh-ed25519"
"""What the libvirt provider agrees on with every host that has one: no other can be pinned."""

_BEGIN = "PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\x00"
_BASE64_BYTES = 64


@dataclass(frozen=True)
class Unusable:
    """Why a file that the settings name does not do, and what helps."""

    found: str
    here: tuple[str, ...] = ()
    """Commands for the machine that runs Pulumi, one after the other."""
    on_host: str = ""
    """A command for the KVM host, whose answer the new key is compared with."""

    def __str__(self) -> str:
        text = self.found
        if self.here:
            text += f": on this machine run {' and '.join(f'`{command}`' for command in self.here)}"
        if self.on_host:
            text += f", and compare the key with what `{self.on_host}` prints on the host"
        return text


def ssh_words(
    login: str, key_file: str, kind: str = REQUIRED_KIND, known_hosts: str = KNOWN_HOSTS
) -> list[str]:
    """The OpenSSH client's words up to the command, which runs without a question asked.

    They hold in the project's folder, once the host's key was pinned there.
    """
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "HostKeyAlgorithms": kind,
        "IdentitiesOnly": "yes",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(DIAL_SECONDS),
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", *words, "-i", expanded(key_file), login]


def expanded(path: str) -> str:
    """``path`` with ``~/`` replaced by this user's folder, with ``/`` on every system."""
    plain = path.replace("\\", "/")
    return (Path.home() / plain[2:]).as_posix() if plain.startswith("~/") else plain


def pin(settings: Host, key: HostKey, project: Path) -> None:
    """Write ``key`` below ``project``, as the host's only one."""
    file = project / KNOWN_HOSTS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{settings.address} {key}\n", encoding="utf-8", newline="\n")


def known_key(settings: Host) -> HostKey | Unusable:
    """The host's own key, from the file that the settings name."""
    name, address = settings.name, str(settings.address)
    learn = (
        (f"ssh-keyscan -t ed25519 {address} >> {settings.known_hosts_file}",),
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    )
    text = text_of(settings.known_hosts_file)
    if text is None:
        return Unusable("there is no such file that can be read here", *learn)
    known = host_key(text, [address, name])
    if known is None:
        return Unusable(f"it knows no host key of {name} or {address}", *learn)
    if known.kind != REQUIRED_KIND:
        found = f"it knows {name} by {known.kind} only, libvirt's client wants ED25519"
        return Unusable(found, *learn)
    return known


def unusable_key(settings: Host) -> Unusable | None:
    """Why the private key cannot be used, judged by its first lines, which hold no secret."""
    file = settings.private_key_file
    make = (
        f"ssh-keygen -t ed25519 -N '' -f {file}",
        f"ssh-copy-id -i {file} {settings.user}@{settings.address}",
    )
    if "$" in file:
        return Unusable("the libvirt provider takes $ for a variable: write the path without it")
    try:
        with Path(expanded(file)).open(encoding="utf-8") as lines:
            header = _header(lines)
    except (OSError, ValueError, RuntimeError):
        return Unusable("there is no such file that can be read here", make)
    if not header:
        return Unusable("it holds no OpenSSH or PEM private key", make)
    if _is_encrypted(header):
        found = "a passphrase keeps it shut, and nobody is asked here; make one without"
        return Unusable(found, make)
    return None


def text_of(path: str) -> str | None:
    """The text of a file on this machine, or None where it cannot be read."""
    try:
        return Path(expanded(path)).read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError):
        return None


def _header(lines: Iterable[str]) -> tuple[str, ...]:
    """The line that a key begins with, and the next, which says what it is shut with."""
    rest = iter(lines)
    return next(((line, next(rest, "")) for line in rest if _BEGIN in line), ())


def _is_encrypted(header: tuple[str, ...]) -> bool:
    """Whether a passphrase is needed: PEM says so in words, OpenSSH names the cipher first."""
    if any("ENCRYPTED" in line for line in header):
        return True
    try:
        raw = base64.b64decode(header[1].strip()[:_BASE64_BYTES])
    except binascii.Error:
        return False
    length = len(_OPENSSH_MAGIC) + 4
    return raw.startswith(_OPENSSH_MAGIC) and raw[length : length + 4] != b"none"
