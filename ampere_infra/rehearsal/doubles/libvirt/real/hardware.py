"""What a host offers to machines, as its libvirtd says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import Hardware

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh


def hardware(virsh: Virsh) -> Hardware:
    """Return the host's own architecture, its emulator, and the graphics that QEMU has."""
    capabilities = _capabilities(virsh)
    arch = capabilities.findtext("host/cpu/arch", "")
    emulator = _guest(capabilities, arch).findtext("emulator", "")
    if virsh.reality.emulation is None:
        return Hardware(arch, emulator, frozenset())
    domain = virsh.document("domcapabilities", "--virttype", "qemu", "--arch", arch)
    found = domain.findall("devices/graphics/enum/value") if domain is not None else []
    return Hardware(arch, emulator, frozenset(value.text or "" for value in found))


def machines(virsh: Virsh, arch: str) -> Mapping[str, str]:
    """Return the kinds of machines by the names that they go by, ``pc`` among them."""
    guest = _guest(_capabilities(virsh), arch)
    found = ((m.text or "", m.get("canonical")) for m in guest.findall("machine"))
    return {name: canonical or name for name, canonical in found}


def machine_of(domain: Element, names: Mapping[str, str]) -> str:
    """Return the name by which a machine's kind was asked for."""
    kind = domain.find("os/type")
    found = kind.get("machine", "") if kind is not None else ""
    aliases = (name for name, canonical in names.items() if canonical == found != name)
    return next(aliases, found)


def _capabilities(virsh: Virsh) -> Element:
    found = virsh.document("capabilities")
    assert found is not None  # noqa: S101 - every libvirtd has them
    return found


def _guest(capabilities: Element, arch: str) -> Element:
    for guest in capabilities.findall("guest"):
        found = guest.find(f"arch[@name='{arch}']")
        if guest.findtext("os_type") == "hvm" and found is not None:
            return found
    raise RefusalError(f"[WARN] Cannot find any guests for architecture type hvm/{arch}")
