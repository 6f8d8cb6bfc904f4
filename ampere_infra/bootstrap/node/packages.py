"""Stage 2 on every node: container runtime and Kubernetes at exact versions, held there.

A unit rather than cloud-init's ``packages``, which runs once: a mirror that was down, or a power
cut inside dpkg, would leave a node for ever without them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import urllib.request
from typing import TYPE_CHECKING, Any

from .core import Blocked, Failed, ask, at, facts, mark, room, run, say, write

if TYPE_CHECKING:
    from collections.abc import Iterator

APT = ("apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
INSTALL = (
    *APT,
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
    *("--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages"),
    "install",
)
"""Keeps our configuration of containerd, which cloud-init wrote before its package came."""
ROOM = 1024
"""MiB: what the packages take, and their archives meanwhile."""
LISTS = "/var/lib/apt/lists"
FETCHED = "/run/ampere/apt-fetched"
"""Exists from the first try after a boot on."""
FINISH = ("dpkg", "--force-confdef", "--force-confold", "--configure", "--pending")


def packages() -> None:
    """Install, pin and start what a node runs, then earn ``PACKAGES_INSTALLED``."""
    known = facts()
    room("/", ROOM)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    for key in known["keys"]:
        trust(key)
    finish()
    forget_fetched()
    run(*APT, "update", "--error-on=any")
    if broken := half_installed():
        run(*INSTALL, "--fix-broken", "--reinstall", *broken)
    pinned: dict[str, str] = known["packages"]
    wanted = [f"{name}={version}" if version else name for name, version in pinned.items()]
    held = [name for name, version in pinned.items() if version]
    run(*INSTALL, *wanted)
    run("apt-mark", "hold", *held)
    run("systemctl", "enable", "containerd.service", "kubelet.service")
    check_runtime()
    mark("PACKAGES_INSTALLED")


def finish() -> None:
    """Configure what was unpacked when the power was cut; without it apt does nothing at all.

    What cannot be configured yet, because it needs a package that was cut off itself, is apt's.
    """
    status, told, error = ask(*FINISH)
    if status != 0:
        say(f"{told}{error}")


def half_installed() -> list[str]:
    """Return the packages that were cut off while they were unpacked.

    apt takes them for the newest version that there is and leaves them alone, unless it is told.
    """
    shown = ("--show", "--showformat=${db:Status-Abbrev}:${Package}\\n")
    _, told, _ = ask("dpkg-query", *shown)
    states = [line.partition(":")[::2] for line in told.splitlines()]
    return [name for state, name in states if state[2:] == "R"]


def forget_fetched() -> None:
    """Have apt fetch its lists and archives anew once in each boot.

    It does not wait for them to be on the disk. After a power cut they may be empty, and apt, which
    finds them to be as new as the repository's, would miss every package for ever.
    """
    if at(FETCHED).exists():
        return
    run(*APT, "clean")
    for file in at(LISTS).rglob("*"):
        if file.is_file() and file.name != "lock":
            file.unlink()
    write(at(FETCHED), "")


def check_runtime() -> None:
    """Make sure that the runtime answers, with our configuration."""
    run("systemctl", "restart", "containerd.service")
    status, _, error = ask("crictl", "info")
    if status != 0:
        raise Failed(f"containerd does not answer: {error}")


def trust(key: dict[str, Any]) -> None:
    """Fetch a repository's signing key and trust it for that repository, if it is the right one.

    It comes from the repository itself, or its mirror, so that no key server is needed and a key
    whose expiry was extended arrives extended; the pinned fingerprint decides.

    Raises:
        Failed: it cannot be fetched.
        Blocked: it is another key.
    """
    try:
        # S310: both addresses come from the settings, which allow http(s) only.
        with urllib.request.urlopen(key["url"], timeout=60) as answer:  # noqa: S310
            text = answer.read(1 << 20).decode("ascii")
    except (OSError, ValueError) as error:
        raise Failed(f"cannot fetch {key['url']}: {error}") from error
    found = fingerprints(text)
    if found != [key["fingerprint"]]:
        raise Blocked(f"{key['url']} is key {found}, not {key['fingerprint']}: not trusted")
    write(at(key["path"]), text)


def fingerprints(armored: str) -> list[str]:
    """Return the fingerprints of all primary keys in an armored OpenPGP file.

    Raises:
        Failed: it is no such file.
    """
    body = armored.replace("\r\n", "\n").partition("\n\n")[2].partition("\n-----END")[0]
    lines = [line for line in body.splitlines() if not line.startswith("=")]
    try:
        return [digest(body) for tag, body in packets(base64.b64decode("".join(lines))) if tag == 6]  # noqa: PLR2004
    except (ValueError, IndexError) as error:
        raise Failed(f"not an armored OpenPGP key: {error}") from error


def digest(body: bytes) -> str:
    """Return the fingerprint of one version 4 public key packet (RFC 4880, 12.2)."""
    text = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().upper()


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet (RFC 4880, 4.2)."""
    position = 0
    while position < len(data):
        head = data[position]
        if head & 0x40:
            tag, (size, start) = head & 0x3F, new_length(data, position + 1)
        else:
            octets = (1, 2, 4)[head & 3]
            tag, start = (head >> 2) & 0x0F, position + 1 + octets
            size = int.from_bytes(data[position + 1 : start], "big")
        yield tag, data[start : start + size]
        position = start + size


def new_length(data: bytes, at_: int) -> tuple[int, int]:
    """Return the length in the new format and where the body begins."""
    first = data[at_]
    if first < 192:  # noqa: PLR2004 - the format's own bounds
        return first, at_ + 1
    if first < 224:  # noqa: PLR2004
        return ((first - 192) << 8) + data[at_ + 1] + 192, at_ + 2
    return int.from_bytes(data[at_ + 1 : at_ + 5], "big"), at_ + 5
