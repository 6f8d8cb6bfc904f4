"""IPv4 addresses and networks, as a person writes them."""

from __future__ import annotations

import re
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    NetmaskValueError,
)

_BYTE = 0xFF
OCTETS = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text.partition("/")[0])
    except AddressValueError:
        return False
    return True


def _without_leading_zeros(text: str) -> str | None:
    """Return the address that ``text`` means when its zeros are only padding."""
    if re.fullmatch(OCTETS, text, re.ASCII) is None:
        return None
    octets = [int(octet) for octet in text.split(".")]
    plain = ".".join(map(str, octets))
    return plain if plain != text and max(octets) <= _BYTE else None


def read_address(text: str) -> IPv4Address:
    """Return the address that ``text`` spells.

    Raises:
        ValueError: it spells none; the text is the remedy.
    """
    try:
        return IPv4Address(text)
    except AddressValueError:
        pass
    if _is_ipv6(text):
        raise ValueError("is an IPv6 address; write the IPv4 address")
    address, slash, _ = text.partition("/")
    if slash and re.fullmatch(OCTETS, address, re.ASCII):
        raise ValueError(f"is a network; write the address alone: {address}")
    if plain := _without_leading_zeros(text):
        raise ValueError(f"has leading zeros; did you mean {plain}?")
    raise ValueError("is no IPv4 address; write four numbers from 0 to 255, such as 10.10.10.11")


def read_network(text: str) -> IPv4Network:
    """Return the network that ``text`` spells.

    Raises:
        ValueError: it spells none; the text is the remedy.
    """
    if _is_ipv6(text):
        raise ValueError("is an IPv6 network; write an IPv4 network")
    address, slash, prefix = text.partition("/")
    if not slash:
        raise ValueError("has no prefix length; write the network like 10.10.10.0/24")
    read_address(address)
    try:
        network = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError):
        network = None
    if network is None or not prefix.isdecimal():
        meant = f"; did you mean {network}?" if network else ", such as 10.10.10.0/24"
        raise ValueError(f"has no prefix length from 0 to 32 after the slash{meant}")
    if str(network.network_address) != address:
        raise ValueError(f"has host bits set; did you mean {network}?")
    return network
