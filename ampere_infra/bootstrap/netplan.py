"""A node's network: one interface, found by its MAC address, with a static address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from ampere_infra.bootstrap.spec import INTERFACE

if TYPE_CHECKING:
    from ampere_infra.bootstrap.spec import Nic


def network_config(nic: Nic) -> str:
    """Return cloud-init's network-config, version 2.

    ``version`` is at the top, which every cloud-init takes; it adds netplan's ``network`` itself.
    """
    interface = {
        "match": {"macaddress": nic.mac},
        "set-name": INTERFACE,
        "dhcp4": False,
        "dhcp6": False,
        "accept-ra": False,
        "addresses": [str(nic.address)],
        "routes": [{"to": "default", "via": str(nic.gateway)}],
        "nameservers": {"addresses": [str(address) for address in nic.nameservers]},
    }
    config = {"version": 2, "ethernets": {INTERFACE: interface}}
    return yaml.safe_dump(config, sort_keys=False)
