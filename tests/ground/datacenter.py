"""Hetzner as a server notices it: its network, who it says that it is, and what it is told.

The server finds its user-data as it does at Hetzner, by cloud-init's own data source: that knows
Hetzner by the maker that the firmware names, asks for an address by DHCP, and then the metadata
service (https://docs.cloud-init.io/en/latest/reference/datasources/hetzner.html). Not as at
Hetzner are the disk (VirtIO, not SCSI), the private network (there is none) and the firewalls
(nothing enforces them).
"""

from __future__ import annotations

import shutil
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import yaml

from ampere_infra.rehearsal.doubles.libvirt.real.definitions import (
    Backing,
    Disk,
    Nic,
    domain_xml,
    pool_xml,
    volume_xml,
)
from ampere_infra.rehearsal.doubles.libvirt.real.hardware import hardware
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import DOCUMENT, Virsh
from ampere_infra.rehearsal.places.hetzner import ADDRESSES
from ampere_infra.rehearsal.programs import Programs
from tests.ground import services

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.reality import NewServer, Reality
    from tests.ground.host import TestHost

INTERNET = "198.51.100.1"
"""The host, as all the world behind the gateway: mirrors, name and time servers, administrators."""
GATEWAY = "172.31.1.1"
"""https://docs.hetzner.com/cloud/servers/static-configuration"""
METADATA = "169.254.169.254"
"""https://docs.hetzner.cloud/reference/cloud#server-metadata"""
TOLD_ALONE = ("hostname", "instance-id", "public-ipv4")
"""What the service tells under a name of its own, too, as far as anybody here asks."""
NETWORK = POOL = "hetzner"
SIZE: Properties = {"vcpu": 2, "memory": 3072}
"""As large as the master at home, so that it takes as long."""
DISK_BYTES = 12 << 30
_MACHINE: Properties = {
    **SIZE,
    "type": "kvm",
    "machine": "pc",
    "cpu": {"mode": "host-passthrough"},
    "consoles": [{"type": "pty", "targetType": "serial", "targetPort": "0"}],
    "graphics": {"type": "vnc", "listenType": "address"},
}
_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
_OPTIONS = {"netmask": "255.255.255.255", "router": GATEWAY, "dns-server": INTERNET}
"""What DHCP tells every server: its address is a network of its own."""


class Datacenter:
    """A data center on a KVM host.

    Args:
        host: where it is.
        image: the disk that servers are born from.
        reality: how its machines run.
    """

    def __init__(self, host: TestHost, image: Path, reality: Reality) -> None:
        self.host = host
        self.image = image
        self.virsh = Virsh(reality, Programs(reality))
        self.metadata = host.folder / "metadata"
        self.servers: dict[int, NewServer] = {}

    def open(self) -> None:
        """Lay the network, with the host at its gateway; serve metadata; make a pool for disks."""
        for address in (GATEWAY, METADATA):
            self.host.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        self.virsh("net-define", DOCUMENT, stdin=network_xml())
        self.virsh("net-start", NETWORK)
        services.start(self.host, "metadata", METADATA, str(self.metadata))
        self.virsh("pool-define", DOCUMENT, stdin=pool_xml(POOL, f"/var/lib/libvirt/{POOL}"))
        self.virsh("pool-build", POOL)
        self.virsh("pool-start", POOL)
        self.virsh.programs.run("mkdir", "-p", str(self.virsh.reality.consoles))

    def boot(self, server: NewServer) -> None:
        """Make the server's machine, and start it for the first time."""
        self.servers[server.id] = server
        self.tell(server)
        disk = volume_xml(server.name, DISK_BYTES, "qcow2", Backing(str(self.image), "qcow2"))
        self.virsh("vol-create", POOL, DOCUMENT, stdin=disk)
        offered = hardware(self.virsh)
        inputs = {**_MACHINE, "name": server.name}
        disks, nics = [Disk(POOL, server.name, "qcow2")], [Nic(NETWORK, "", mac(server.ipv4))]
        document = domain_xml(inputs, disks, nics, offered, self.virsh.reality)
        self.virsh("define", DOCUMENT, stdin=identified(document, server.id))
        self.virsh("start", server.name)

    def remove(self, identity: int) -> None:
        """Take the server's machine and its disk away."""
        server = self.servers.pop(identity)
        self.virsh("destroy", server.name)
        self.virsh("undefine", server.name)
        self.virsh("vol-delete", "--pool", POOL, server.name)
        shutil.rmtree(self.metadata / server.ipv4)

    def tell(self, server: NewServer) -> None:
        """Lay down what the metadata service tells whoever asks from the server's address."""
        folder, known = self.metadata / server.ipv4, metadata(server)
        folder.mkdir(parents=True)
        (folder / "metadata").write_text(yaml.safe_dump(known))
        (folder / "userdata").write_text(server.user_data)
        for name in TOLD_ALONE:
            (folder / f"metadata.{name}").write_text(str(known[name]))


def mac(address: str) -> str:
    """Return the MAC address of the server that has the public ``address``."""
    parts = (0x96, 0x00, *ip_address(address).packed)
    return ":".join(f"{part:02x}" for part in parts)


def network_xml() -> str:
    """Return the network that public addresses are in, with the server of each one's lease."""
    network = ET.Element("network", {"xmlns:dnsmasq": _DNSMASQ})
    ET.SubElement(network, "name").text = NETWORK
    ET.SubElement(network, "forward", mode="open")
    ET.SubElement(network, "bridge", stp="off", delay="0")
    ip = ET.SubElement(network, "ip", address=INTERNET, prefix="24")
    dhcp = ET.SubElement(ip, "dhcp")
    for address in ADDRESSES:
        ET.SubElement(dhcp, "host", mac=mac(address), ip=address)
    options = ET.SubElement(network, "dnsmasq:options")
    for name, value in _OPTIONS.items():
        ET.SubElement(options, "dnsmasq:option", value=f"dhcp-option=option:{name},{value}")
    return ET.tostring(network, encoding="unicode")


def identified(document: str, identity: int) -> str:
    """Return a machine's definition, its firmware being of Hetzner's server ``identity``."""
    domain = ET.fromstring(document)
    kind = domain.find("os")
    assert kind is not None
    ET.SubElement(kind, "smbios", mode="sysinfo")
    system = ET.SubElement(ET.SubElement(domain, "sysinfo", type="smbios"), "system")
    facts = {"manufacturer": "Hetzner", "product": "vServer", "serial": str(identity)}
    for name, value in facts.items():
        ET.SubElement(system, "entry", name=name).text = value
    return ET.tostring(domain, encoding="unicode")


def metadata(server: NewServer) -> dict[str, Any]:
    """Return what the service tells of a server, as cloud-init's own tests have it."""
    subnets = [
        {"type": "dhcp", "ipv4": True, "dns_nameservers": [INTERNET]},
        {"type": "static", "ipv6": True, "address": f"{server.ipv6}1/64", "gateway": "fe80::1"},
    ]
    card = {"type": "physical", "name": "eth0", "mac_address": mac(server.ipv4), "subnets": subnets}
    return {
        "hostname": server.name,
        "instance-id": server.id,
        "local-ipv4": "",
        "network-config": {"version": 1, "config": [card]},
        "public-ipv4": server.ipv4,
        "public-keys": list(server.keys),
    }
