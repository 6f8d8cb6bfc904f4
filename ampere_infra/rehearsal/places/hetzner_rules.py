"""What Hetzner's API refuses.

Each rule is from its reference, https://docs.hetzner.cloud/reference/cloud, or from the documents
that it leads to: the section is named beside the rule.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, ip_network
from typing import TYPE_CHECKING, Any

from ampere_infra.rehearsal.places.hetzner import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ampere_infra.rehearsal.places.hetzner import HetznerCloud, Server, Thing

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = re.compile(rf"(?:{_PART}(?:\.{_PART})*/)?{_PART}")
_LABEL_VALUE = re.compile(rf"(?:{_PART})?")
_RESERVED_PREFIX = "hetzner.cloud/"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_LONGEST_NAME = 128
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_LONGEST_NETWORK, _LONGEST_SUBNET = 24, 30
_MOST_RULES, _MOST_SOURCES, _MOST_EFFECTIVE, _MOST_FIREWALLS = 50, 100, 500, 5
_WITH_PORT = ("tcp", "udp")
_LARGEST_USER_DATA = 32 * 1024
_MOST_IN_A_GROUP = 10
ZONES = {
    **dict.fromkeys(("fsn1", "nbg1", "hel1"), "eu-central"),
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""https://docs.hetzner.com/cloud/networks/faq"""
IMAGES = ("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04")
"""Some of the system images (section "Images")."""
_EUROPE, _ALL = ("fsn1", "nbg1", "hel1"), tuple(ZONES)
TYPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("cx23", "cx33", "cx43", "cx53", "cpx22", "cpx32", "cpx42"), _EUROPE),
    **dict.fromkeys(("ccx13", "ccx23", "ccx33"), _ALL),
    **dict.fromkeys(("cpx11", "cpx21", "cpx31"), ("ash", "hil", "sin")),
}
"""Server types, and where they are given out (section "Server Types": ``locations``)."""
DISKS: Mapping[str, int] = {
    **dict.fromkeys(("cx23", "cpx11"), 40),
    **dict.fromkeys(("cx33", "cpx21", "cpx22", "ccx13"), 80),
    **dict.fromkeys(("cx43", "cpx31", "cpx32", "ccx23"), 160),
    "ccx33": 240,
    **dict.fromkeys(("cx53", "cpx42"), 320),
}
"""The size of each type's disk, in GB (section "Server Types": ``disk``)."""


def wrong(field: str, why: str) -> ApiError:
    """Return a refusal of one field."""
    return ApiError("invalid_input", f"invalid input in field '{field}': {why}")


def check_name(cloud: HetznerCloud, kind: str, name: str, own: int | None = None) -> None:
    """Refuse a name that is none, too long, or in use in the project (each "Create ...")."""
    if not name or len(name) > _LONGEST_NAME:
        raise wrong("name", f"must have 1 to {_LONGEST_NAME} characters")
    if kind == "servers" and not _HOST_NAME.fullmatch(name):
        raise wrong("name", "must be a valid hostname as per RFC 1123")
    other = cloud.named(kind, name)
    if other is not None and other.id != own:
        what = kind.removesuffix("s").replace("_", " ")
        raise ApiError("uniqueness_error", f"{what} name is already used")


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuse labels that are none (section "Labels")."""
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or key.startswith(_RESERVED_PREFIX):
            raise wrong("labels", f"label key '{key}' is not correctly formatted")
        if not _LABEL_VALUE.fullmatch(value):
            raise wrong("labels", f"label value '{value}' (key: {key}) is not correctly formatted")


def check_key(cloud: HetznerCloud, public_key: str) -> None:
    """Refuse a key that is none, or known by another name ("Create an SSH key")."""
    if not re.fullmatch(r"(?:ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+(?: .*)?", public_key):
        raise wrong("public_key", "SSH key is invalid")
    if any(key.fields["public_key"] == public_key for key in cloud.of("ssh_keys")):
        raise ApiError("uniqueness_error", "SSH key with the same fingerprint already exists")


def check_range(text: str) -> IPv4Network:
    """Refuse a network outside RFC 1918, or smaller than /24 ("Create a Network")."""
    network = _network("ip_range", text)
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise wrong("ip_range", "must be one of the private IPv4 ranges of RFC 1918")
    if network.prefixlen > _LONGEST_NETWORK:
        raise wrong("ip_range", f"minimum network size is /{_LONGEST_NETWORK}")
    return network


def check_subnet(network: Thing, text: str, zone: str, kind: str) -> None:
    """Refuse a subnet that is not a part of its network, or meets another ("Add a subnet")."""
    subnet, whole = _network("ip_range", text), IPv4Network(network.fields["ip_range"])
    if zone not in ZONES.values():
        raise wrong("network_zone", f"network zone '{zone}' does not exist")
    if kind not in ("cloud", "server", "vswitch"):
        raise wrong("type", f"'{kind}' is no type of subnet")
    if not subnet.subnet_of(whole) or subnet.prefixlen > _LONGEST_SUBNET:
        raise wrong("ip_range", "must be a subnet of the network, and /30 at the smallest")
    if subnet.overlaps(IPv4Network("172.31.1.1/32")):
        raise wrong("ip_range", "172.31.1.1 is reserved for the public interface's gateway")
    for other in network.fields["subnets"]:
        if other["network_zone"] != zone:
            raise wrong("network_zone", "all subnets of a network are in one network zone")
        if subnet.overlaps(IPv4Network(other["ip_range"])):
            raise wrong("ip_range", f"overlaps with the subnet {other['ip_range']}")


def check_rules(rules: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rules ("Create a Firewall"; https://docs.hetzner.com/cloud/firewalls/faq)."""
    if len(rules) > _MOST_RULES:
        raise ApiError("rule_limit", f"a firewall has at most {_MOST_RULES} rules")
    effective = 0
    for rule in rules:
        sources: list[str] = rule.get("source_ips") or rule.get("destination_ips") or []
        effective += len(sources)
        if len(sources) > _MOST_SOURCES:
            raise wrong("rules", f"at most {_MOST_SOURCES} networks in a rule")
        if (rule["protocol"] in _WITH_PORT) != bool(rule.get("port")):
            raise wrong("rules", "a port is needed for tcp and udp, and refused for all else")
        if rule["direction"] == "in" and not rule.get("source_ips"):
            raise wrong("rules", "source_ips must not be empty for direction in")
        for source in sources:
            _cidr(source)
    if effective > _MOST_EFFECTIVE:
        raise ApiError("rule_limit", f"at most {_MOST_EFFECTIVE} effective rules")


def check_type(cloud: HetznerCloud, name: str, location: str) -> None:
    """Refuse a server type that is not to be had ("Create a Server", "Server Types")."""
    if location not in ZONES:
        raise wrong("location", f"location '{location}' does not exist")
    if location not in TYPES.get(name, ()) or cloud.withdrawn.get((name, location)) == "retired":
        raise ApiError("invalid_input", "unsupported location for server type")
    if cloud.withdrawn.get((name, location)) == "sold out":
        raise ApiError("resource_unavailable", "error during placement")


def check_server(cloud: HetznerCloud, wanted: Mapping[str, Any]) -> None:
    """Refuse a server ("Create a Server")."""
    check_name(cloud, "servers", wanted["name"])
    check_labels(wanted["labels"])
    check_type(cloud, wanted["server_type"], wanted["location"])
    if len(wanted["user_data"].encode()) > _LARGEST_USER_DATA:
        raise wrong("user_data", f"limited to {_LARGEST_USER_DATA} bytes")
    for version in ("ipv4", "ipv6"):
        check_address(cloud, version, wanted[version], wanted["location"])
    check_walls(wanted["firewalls"])
    for kind, ids in (("firewalls", wanted["firewalls"]), ("ssh_keys", wanted["ssh_keys"])):
        for identity in ids:
            cloud.must(kind, identity)
    if wanted["placement_group"] is not None:
        check_group(cloud, cloud.must("placement_groups", wanted["placement_group"]))
    for attached in wanted["networks"]:
        check_attachment(cloud, attached, wanted["location"])


def check_walls(firewalls: Sequence[int]) -> None:
    """Refuse a sixth firewall of a server (https://docs.hetzner.com/cloud/firewalls/faq)."""
    if len(firewalls) > _MOST_FIREWALLS:
        most = f"at most {_MOST_FIREWALLS} firewalls per server"
        raise ApiError("resource_limit_exceeded", most)


def check_address(cloud: HetznerCloud, version: str, identity: object, location: str) -> None:
    """Refuse a primary IP that is another server's, elsewhere, or of the other kind.

    "Create a Server", ``public_net``; https://docs.hetzner.com/cloud/servers/primary-ips/overview.
    """
    if identity is None:
        return
    address = cloud.must("primary_ips", identity)
    if address.fields["type"] != version:
        raise wrong("public_net", f"primary IP {identity} is no {version}")
    if address.fields["location"] != location:
        raise ApiError("primary_ip_location_mismatch", "primary IP is in another location")
    if any(identity == server.fields.get(version) for server in cloud.servers()):
        raise ApiError("primary_ip_assigned", "primary IP is already assigned")


def check_group(cloud: HetznerCloud, group: Thing) -> None:
    """Refuse an eleventh server in a group (https://docs.hetzner.com/cloud/placement-groups)."""
    inside = [s for s in cloud.servers() if s.fields["placement_group"] == group.id]
    if len(inside) >= _MOST_IN_A_GROUP:
        raise ApiError("placement_error", f"a spread group has at most {_MOST_IN_A_GROUP} servers")


def check_attachment(cloud: HetznerCloud, attached: Mapping[str, Any], location: str) -> None:
    """Refuse a server's place in a network ("Attach a Server to a Network")."""
    network = cloud.must("networks", attached["network"])
    subnets = [IPv4Network(one["ip_range"]) for one in network.fields["subnets"]]
    if not subnets:
        raise ApiError("no_subnet_available", "network has no subnet")
    if network.fields["subnets"][0]["network_zone"] != ZONES[location]:
        raise ApiError("network_zone_mismatch", "server and network are in different zones")
    address = IPv4Address(attached["ip"])
    gateways = {IPv4Network(network.fields["ip_range"])[1]}
    if not any(address in subnet for subnet in subnets) or address in gateways:
        raise ApiError("ip_not_available", f"{address} is not available in the network")
    taken = {net["ip"] for server in cloud.servers() for net in server.fields["networks"]}
    if str(address) in taken:
        raise ApiError("ip_not_available", f"{address} is not available in the network")


def check_protection(*, delete: bool, rebuild: bool) -> None:
    """Refuse one protection of a server without the other ("Change Server Protection")."""
    if delete != rebuild:
        raise wrong("rebuild", "delete and rebuild must have the same value")


def check_record(wanted: Mapping[str, Any], others: Sequence[Thing]) -> None:
    """Refuse a record set that is there, or whose values are none ("Create an RRSet")."""
    key = (wanted["zone"], wanted["name"], wanted["type"])
    for other in others:
        if (other.fields["zone"], other.fields["name"], other.fields["type"]) == key:
            raise ApiError("uniqueness_error", "RRSet already exists")
    for value in wanted["records"]:
        version = 4 if wanted["type"] == "A" else 6
        if wanted["type"] in ("A", "AAAA") and _cidr(value).version != version:
            raise wrong("records", f"'{value}' is no value of type {wanted['type']}")


def check_move(server: Server, name: str) -> None:
    """Refuse another type while the server runs, or if its disk is too large for it.

    "Change the Type of a Server": "Shrinking disks is not possible as it might destroy data".
    """
    if server.running:
        raise ApiError("server_not_stopped", f"server must be stopped to become a {name}")
    if DISKS[name] < server.fields["disk"]:
        raise ApiError("invalid_server_type", f"the disk of {name} is smaller than the server's")


def _network(field: str, text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except (AddressValueError, ValueError) as error:
        raise wrong(field, f"'{text}' is no network: {error}") from error


def _cidr(text: str) -> Any:  # noqa: ANN401 - a network of either version
    try:
        return ip_network(text)
    except ValueError as error:
        raise wrong("rules", f"'{text}' is no network: {error}") from error
