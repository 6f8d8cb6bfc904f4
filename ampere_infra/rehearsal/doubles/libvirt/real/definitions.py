"""What libvirt is given to define, as the provider words it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ampere_infra.rehearsal.doubles.values import Properties, Value, items, number, table, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.rehearsal.places.hypervisor import Network
    from ampere_infra.rehearsal.reality import Reality

_NAT_PORTS = {"start": "1024", "end": "65535"}
_BRIDGED = "bridge"


@dataclass(frozen=True)
class Backing:
    """What a volume is laid over."""

    path: str
    format: str


@dataclass(frozen=True)
class Disk:
    """A machine's disk."""

    pool: str
    volume: str
    format: str


@dataclass(frozen=True)
class Nic:
    """A machine's network interface: on a network or, where that is empty, on a bridge."""

    network: str
    bridge: str
    mac: str


@dataclass(frozen=True)
class Hardware:
    """What the host offers to machines."""

    arch: str
    emulator: str
    graphics: frozenset[str]


def pool_xml(name: str, path: str) -> str:
    """Return a pool that is a folder."""
    pool = ET.Element("pool", type="dir")
    _add(pool, "name", name)
    _add(_add(pool, "target"), "path", path)
    return _text(pool)


def volume_xml(name: str, size: int, kind: str, backing: Backing | None) -> str:
    """Return a volume of ``size`` bytes."""
    volume = ET.Element("volume")
    _add(volume, "name", name)
    _add(volume, "capacity", str(size), unit="bytes")
    target = _add(volume, "target")
    _add(target, "format", type=kind)
    _add(_add(target, "permissions"), "mode", "644")
    if backing is not None:
        below = _add(volume, "backingStore")
        _add(below, "path", backing.path)
        _add(below, "format", type=backing.format)
    return _text(volume)


def network_xml(network: Network, inputs: Properties) -> str:
    """Return a network with the first address of each subnet for the host."""
    root = ET.Element("network")
    _add(root, "name", network.name)
    if network.mode != "none":
        forward = _add(root, "forward", mode=network.mode)
        if network.mode == "nat":
            _add(_add(forward, "nat"), "port", **_NAT_PORTS)
    bridge = {} if network.mode == _BRIDGED else {"stp": "on"}
    if network.bridge:
        bridge["name"] = network.bridge
    _add(root, "bridge", **bridge)
    if mtu := number(inputs, "mtu"):
        _add(root, "mtu", size=str(mtu))
    _add_names(root, network, inputs)
    for subnet in network.subnets:
        first, last = int(subnet.network_address), int(subnet.broadcast_address)
        address = type(subnet.network_address)
        family, prefix = f"ipv{subnet.version}", str(subnet.prefixlen)
        ip = _add(root, "ip", address=str(address(first + 1)), prefix=prefix, family=family)
        if network.dhcp:
            start, end = str(address(first + 2)), str(address(last - 1))
            _add(_add(ip, "dhcp"), "range", start=start, end=end)
    return _text(root)


def _add_names(root: ET.Element, network: Network, inputs: Properties) -> None:
    """Add the network's domain, and what it resolves, unless the bridge is the host's own."""
    dns = table(inputs, "dns")
    if domain := text(inputs, "domain"):
        _add(root, "domain", name=domain, **({"localOnly": "yes"} if dns.get("localOnly") else {}))
    if network.mode == _BRIDGED or not dns.get("enabled"):
        return
    names = _add(root, "dns", enable="yes")
    for forwarder in map(_entry, items(dns, "forwarders")):
        given = {"addr": text(forwarder, "address"), "domain": text(forwarder, "domain")}
        _add(names, "forwarder", **{key: value for key, value in given.items() if value})
    for host in map(_entry, items(dns, "hosts")):
        _add(_add(names, "host", ip=text(host, "ip")), "hostname", text(host, "hostname"))


def domain_xml(
    inputs: Properties,
    disks: Sequence[Disk],
    nics: Sequence[Nic],
    hardware: Hardware,
    reality: Reality,
) -> str:
    """Return a machine; emulated, where ``reality`` says that there is no KVM."""
    emulation = reality.emulation
    root = ET.Element("domain", type="qemu" if emulation else text(inputs, "type"))
    _add(root, "name", text(inputs, "name"))
    _add(root, "description", text(inputs, "description"))
    _add(root, "memory", str(number(inputs, "memory")), unit="MiB")
    _add(root, "vcpu", str(number(inputs, "vcpu")), placement="static")
    machine = text(inputs, "machine") or "pc"
    _add(_add(root, "os"), "type", "hvm", arch=hardware.arch, machine=machine)
    features = _add(root, "features")
    for name in ("pae", "acpi", "apic"):
        _add(features, name)
    if emulation:
        _add(_add(features, "tcg"), "tb-cache", str(emulation.tb_cache), unit="MiB")
        cpu = _add(root, "cpu", mode="custom", check="none")
        _add(cpu, "model", emulation.cpu)
        for feature in emulation.features:
            _add(cpu, "feature", policy="require", name=feature)
    elif mode := text(table(inputs, "cpu"), "mode"):
        _add(root, "cpu", mode=mode)
    devices = _add(root, "devices")
    _add(devices, "emulator", text(inputs, "emulator") or hardware.emulator)
    for index, disk in enumerate(disks):
        _add_disk(devices, index, disk)
    for nic in nics:
        _add_nic(devices, nic)
    for console in map(_entry, items(inputs, "consoles")):
        _add_console(devices, console, text(inputs, "name"), reality)
    _add_graphics(devices, table(inputs, "graphics"), hardware, reality)
    if video := text(table(inputs, "video"), "type"):
        _add(_add(devices, "video"), "model", type=video)
    _add(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    channel = _add(devices, "channel", type="unix")
    _add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    return _text(root)


def _add_disk(devices: ET.Element, index: int, disk: Disk) -> None:
    element = _add(devices, "disk", type="volume", device="disk")
    kind = "qcow2" if disk.format == "qcow2" else "raw"
    _add(element, "driver", name="qemu", type=kind)
    _add(element, "source", pool=disk.pool, volume=disk.volume)
    _add(element, "target", dev=f"vd{chr(ord('a') + index)}", bus="virtio")


def _add_nic(devices: ET.Element, nic: Nic) -> None:
    kind, name = ("network", nic.network) if nic.network else ("bridge", nic.bridge)
    element = _add(devices, "interface", type=kind)
    if nic.mac:
        _add(element, "mac", address=nic.mac)
    _add(element, "source", {kind: name})
    _add(element, "model", type="virtio")


def _add_console(devices: ET.Element, console: Properties, name: str, reality: Reality) -> None:
    kind = text(console, "type")
    element = _add(devices, "console", type=kind)
    if kind == "tcp":
        where = {"host": text(console, "sourceHost"), "service": text(console, "sourceService")}
        _add(element, "source", mode="bind", **where)
        _add(element, "protocol", type="telnet")
    elif path := text(console, "sourcePath"):
        _add(element, "source", path=path)
    target = text(console, "targetType")
    _add(
        element, "target", port=text(console, "targetPort"), **({"type": target} if target else {})
    )
    if reality.consoles is not None:
        _add(element, "log", file=f"{reality.consoles}/{name}-console.log", append="on")


def _add_graphics(
    devices: ET.Element, graphics: Properties, hardware: Hardware, reality: Reality
) -> None:
    kind = text(graphics, "type") or "spice"
    if reality.emulation and kind not in hardware.graphics:
        return
    automatic = graphics.get("autoport") is not False
    element = _add(devices, "graphics", type=kind, autoport="yes" if automatic else "no")
    listen = text(graphics, "listenType")
    if listen == "address":
        _add(element, "listen", type=listen, address=text(graphics, "listenAddress") or "127.0.0.1")
    elif listen:
        _add(element, "listen", type=listen)


def _entry(value: Value) -> Properties:
    return value if isinstance(value, dict) else {}


def _add(
    parent: ET.Element, tag: str, content: str | dict[str, str] = "", **attributes: str
) -> ET.Element:
    if isinstance(content, dict):
        return ET.SubElement(parent, tag, content)
    element = ET.SubElement(parent, tag, attributes)
    element.text = content or None
    return element


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
