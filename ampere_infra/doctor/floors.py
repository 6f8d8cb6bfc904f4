"""The oldest version of each program that will do, in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ampere_infra.tools import TOOLS


@dataclass(frozen=True)
class Floor:
    """What is needed of one program."""

    version: str
    """The oldest that will do; any where it is empty."""
    remedy: str
    ask: str = "--version"
    """What has it print its version."""


HOST: Final = {
    "virsh": Floor("8.0", "sudo apt install libvirt-clients"),
    "qemu-system-x86_64": Floor("6.2", "sudo apt install qemu-system-x86"),
    "curl": Floor("7.68", "sudo apt install curl"),
    "flock": Floor("", "sudo apt install util-linux"),
    # 8.5 is the first that knows KnownHostsCommand, by which a gate pins a machine's key.
    "ssh": Floor("8.5", "sudo apt install openssh-client", "-V"),
    # 1.15.6 is the first whose `stream` knows proxy_socket_keepalive.
    "nginx": Floor("1.15.6", "sudo apt install nginx libnginx-mod-stream", "-v"),
    "dnsmasq": Floor("", "sudo apt install dnsmasq-base"),
}
"""Of the KVM host; libvirt's and QEMU's are Ubuntu 22.04's, the oldest that is looked after."""

LIBVIRTD: Final = Floor("8.0", "upgrade to Ubuntu 24.04: sudo do-release-upgrade")

_PULUMI, _SOPS, _AGE = (TOOLS[name].floor or "" for name in ("pulumi", "sops", "age"))
LOCAL: Final = {
    "pulumi": Floor(_PULUMI, "install it: https://www.pulumi.com/docs/install/"),
    "uv": Floor("0.9", "install it: https://docs.astral.sh/uv/getting-started/installation/"),
    # 6.8 is the first that knows UpdateHostKeys.
    "ssh": Floor("6.8", "install OpenSSH's client: sudo apt install openssh-client"),
    "sops": Floor(_SOPS, "install it: https://github.com/getsops/sops/releases"),
    "age": Floor(_AGE, "install it: https://github.com/FiloSottile/age/releases"),
}
"""Of the machine that runs Pulumi."""

KUBECTL_SKEW: Final = 1
"""Minor versions that kubectl may be off the cluster's, either way (Kubernetes' skew policy)."""


def version_in(text: str) -> str | None:
    """Return the first version in what a program prints of itself: two numbers or three."""
    match = re.search(r"(?<![\d.])v?(\d{1,6}\.\d{1,6}(?:\.\d{1,6})?)", text)
    return match[1] if match else None


def is_older(version: str, floor: str) -> bool:
    """Whether ``version`` is below ``floor``."""
    return bool(floor) and _numbers(version) < _numbers(floor)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
