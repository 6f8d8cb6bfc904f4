"""Fixed MAC addresses: netplan matches on them, whatever the kernel calls the interface."""

from __future__ import annotations

from hashlib import sha256

KVM_PREFIX = (0x52, 0x54, 0x00)
"""The locally administered prefix that QEMU and libvirt give their guests."""


def mac(cluster: str, node: str) -> str:
    """The MAC address of ``node``'s first interface: the same for the same two names.

    Two names in a cluster may, once in millions, give the same address: the settings' checks look.
    """
    octets = (*KVM_PREFIX, *sha256(f"{cluster}/{node}".encode()).digest()[:3])
    return ":".join(f"{octet:02x}" for octet in octets)
