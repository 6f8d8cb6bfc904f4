"""The settings of what is rented from Hetzner: the server, its networks, who may come in."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.addresses import OCTETS, read_address, read_network
from ampere_infra.settings.site import OnUserDataChange
from ampere_infra.settings.types import (
    GIB,
    Address,
    DnsLabel,
    DnsName,
    Fingerprint,
    Flag,
    HttpsUrl,
    Model,
    Seconds,
    Size,
    Subnet,
    matching,
)
from ampere_infra.settings.written import Written

__all__ = [
    "Access",
    "Dns",
    "Prices",
    "PrivateNetwork",
    "Server",
    "ServerPrice",
    "Tailscale",
]

Location = Literal["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
"""https://docs.hetzner.com/cloud/general/locations"""
NETWORK_ZONES: dict[str, str] = {
    **dict.fromkeys(("fsn1", "nbg1", "hel1"), "eu-central"),
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""Which locations share private networks: https://docs.hetzner.com/cloud/networks/faq"""

TypeName = Annotated[
    str, matching(r"[a-z]{2,4}[0-9]{2}", "write a server type as Hetzner names it", "cx33")
]


def _read_money(text: str) -> Decimal:
    if re.fullmatch(r"[0-9]{1,5}\.[0-9]{2} EUR", text) is None:
        raise ValueError("write an amount with two decimals and its currency, such as 4.49 EUR")
    return Decimal(text.removesuffix(" EUR"))


Money = Annotated[Decimal, Written(_read_money, r"[0-9]{1,5}\.[0-9]{2} EUR", "4.49 EUR")]
"""An amount in euro, without VAT."""


def _read_source(text: str) -> IPv4Network:
    return read_network(text) if "/" in text else IPv4Network(read_address(text))


Source = Annotated[
    IPv4Network, Written(_read_source, rf"{OCTETS}(?:/[0-9]{{1,2}})?", "203.0.113.7")
]
"""Where connections come from: an address, or a network."""
Tag = Annotated[
    str,
    matching(
        r"tag:[a-z][a-z0-9-]{0,49}", "write a tag of the tailnet's policy file", "tag:ampere-api"
    ),
]
TailnetName = Annotated[
    str,
    matching(
        r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.ts\.net",
        "write the tailnet's DNS name, as the admin console's page DNS shows it",
        "tail1a2b3.ts.net",
    ),
]


class Server(Model):
    """The one server: control plane, gateway and everything else run on it."""

    name: DnsLabel
    """The server's, its host's and its Kubernetes node's name; unique in the Hetzner project.
    Never changes: another one is refused."""
    type: TypeName
    """Hetzner's name of its size; a change of it restarts the server in the new size."""
    location: Location
    """Where it stands. Never changes, since no server and no address moves: another is refused."""
    distribution: Literal["ubuntu-24.04", "debian-13"] = "ubuntu-24.04"
    """Hetzner's image of that name; a change of it is one of the user-data."""
    backups: Flag = False
    """Whether Hetzner keeps a copy of the disk of each of the last seven days, for a fifth more."""
    protect: Flag = True
    """Refuse to rebuild or delete the server and its addresses until this says false."""
    on_user_data_change: OnUserDataChange = "keep"
    """``keep`` leaves the server as it was born and says so; ``replace`` is the explicit word."""


class PrivateNetwork(Model):
    """The private network that the server is attached to."""

    range: Subnet
    """The whole network; subnets are parts of it. Never changes: another one is refused."""
    subnet: Subnet
    """The part that servers get addresses of."""
    address: Address
    """The server's own private address."""


class Access(Model):
    """Who may administer the cluster from outside, by SSH and by the API."""

    admins: Annotated[tuple[Source, ...], Field(min_length=1, max_length=40)]
    """Addresses that may reach ports 22 and 6443; with Tailscale only until the tailnet answers."""


class Tailscale(Model):
    """Administration through a tailnet instead of public ports."""

    enabled: Flag = False
    """Whether the server joins; needs ``tailscale_auth_key`` among the secrets."""
    tailnet: TailnetName | None = None
    """The tailnet's DNS name (MagicDNS); needed when enabled, the certificate names it."""
    tags: Annotated[tuple[Tag, ...], Field(min_length=1)] = ("tag:ampere-api",)
    """What the server is in the tailnet's policy; the key must be allowed to give them. Matters
    when the server joins."""
    ephemeral: Flag = False
    """Forget the server when it is offline. With an OAuth client's secret (``tskey-client-``) this
    decides; an auth key (``tskey-auth-``) has it built in, and says reusable or not as well.
    Matters when the server joins."""
    repository: HttpsUrl = "https://pkgs.tailscale.com/stable"
    """Where the package comes from."""
    key: Fingerprint = "2596A99EAAB33821893C0A79458CA832957F5868"
    """The only key that may sign it: by default that of Tailscale Inc."""
    timeout: Seconds = 600
    """How long the tailnet may take to let the server in, in seconds."""


class Dns(Model):
    """Who answers for the names."""

    zone: DnsName | None = None
    """A zone at Hetzner's DNS in which the records are set; none: the outputs say what to set."""
    ttl: Annotated[int, Field(strict=True, ge=60, le=86400)] = 300
    """How long others may remember a record, in seconds."""


class ServerPrice(Model):
    """A server type with what it costs."""

    type: TypeName
    """Hetzner's name of it."""
    cores: Annotated[int, Field(strict=True, ge=1, le=128)]
    """Processors."""
    memory: Size
    """Memory."""
    disk: Size
    """The only disk."""
    locations: Annotated[tuple[Location, ...], Field(min_length=1)]
    """Where there is one to be had."""
    monthly: Money
    """A month, without VAT and addresses."""
    retired: Flag = False
    """Whether Hetzner gives out no new ones."""


def _types(
    locations: tuple[Location, ...],
    *rows: tuple[str, int, int, int, str],
    retired: bool = False,
) -> tuple[ServerPrice, ...]:
    return tuple(
        ServerPrice(
            type=name,
            cores=cores,
            memory=Size(memory * GIB),
            disk=Size(disk * GIB),
            locations=locations,
            monthly=Decimal(monthly),
            retired=retired,
        )
        for name, cores, memory, disk, monthly in rows
    )


_EUROPE: tuple[Location, ...] = ("fsn1", "nbg1", "hel1")
_OVERSEAS: tuple[Location, ...] = ("ash", "hil", "sin")


class Prices(Model):
    """What Hetzner charges, by its price list; its own console counts where they differ."""

    servers: Annotated[tuple[ServerPrice, ...], Field(min_length=1)] = (
        *_types(
            _EUROPE,
            ("cx23", 2, 4, 40, "3.99"),
            ("cx33", 4, 8, 80, "6.49"),
            ("cx43", 8, 16, 160, "11.99"),
            ("cx53", 16, 32, 320, "22.49"),
            ("cpx22", 2, 4, 80, "7.99"),
            ("cpx32", 4, 8, 160, "13.99"),
            ("cpx42", 8, 16, 320, "25.49"),
        ),
        *_types(
            (*_EUROPE, *_OVERSEAS),
            ("ccx13", 2, 8, 80, "15.99"),
            ("ccx23", 4, 16, 160, "31.49"),
            ("ccx33", 8, 32, 240, "62.49"),
        ),
        *_types(
            _EUROPE,
            ("cx22", 2, 4, 40, "3.79"),
            ("cx32", 4, 8, 80, "6.80"),
            ("cx42", 8, 16, 160, "16.40"),
            retired=True,
        ),
        *_types(
            _OVERSEAS,
            ("cpx11", 2, 2, 40, "5.49"),
            ("cpx21", 3, 4, 80, "9.99"),
            ("cpx31", 4, 8, 160, "18.99"),
        ),
    )
    """The x86 server types that the plan is judged and priced by; what is not here is refused."""
    primary_ipv4: Money = Decimal("0.50")
    """A public IPv4 address for a month; IPv6 is free."""
    backups_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 20
    """What backups cost, of the server's price."""
