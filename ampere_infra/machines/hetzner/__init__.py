"""Servers at Hetzner. Nothing outside this package knows that Hetzner rents them out."""

from ampere_infra.machines.hetzner.birth import birth
from ampere_infra.machines.hetzner.cloud import Cloud
from ampere_infra.machines.hetzner.machine import HetznerMachine, HetznerMachineArgs, ServerSpec
from ampere_infra.machines.hetzner.records import Records, RecordsArgs
from ampere_infra.machines.hetzner.site import HetznerSite, HetznerSiteArgs

__all__ = [
    "Cloud",
    "HetznerMachine",
    "HetznerMachineArgs",
    "HetznerSite",
    "HetznerSiteArgs",
    "Records",
    "RecordsArgs",
    "ServerSpec",
    "birth",
]
