"""Machines on a KVM host. Nothing outside this package knows that libvirt makes them."""

from ampere_infra.machines.libvirt.machine import (
    DATA_DEVICE,
    LibvirtMachine,
    LibvirtMachineArgs,
)
from ampere_infra.machines.libvirt.site import LibvirtSite, LibvirtSiteArgs

__all__ = [
    "DATA_DEVICE",
    "LibvirtMachine",
    "LibvirtMachineArgs",
    "LibvirtSite",
    "LibvirtSiteArgs",
]
