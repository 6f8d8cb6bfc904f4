"""The provider's four kinds on a real libvirtd: the same rules, other hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.libvirt.real.domains import RealDomain
from ampere_infra.rehearsal.doubles.libvirt.real.networks import RealNetwork
from ampere_infra.rehearsal.doubles.libvirt.real.pools import RealPool
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh
from ampere_infra.rehearsal.doubles.libvirt.real.volumes import RealVolume
from ampere_infra.rehearsal.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.doubles.kind import Kind
    from ampere_infra.rehearsal.reality import Reality


def kinds(reality: Reality) -> Mapping[str, Kind]:
    """Return the kinds that act on the libvirtd of ``reality``, by their names in the package."""
    virsh = Virsh(reality, Programs(reality))
    return {
        "pool": RealPool(virsh),
        "volume": RealVolume(virsh),
        "network": RealNetwork(virsh),
        "domain": RealDomain(virsh),
    }
