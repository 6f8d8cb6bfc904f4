"""What a server stands in: its project's key, networks, firewalls and public addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_hcloud as hcloud
import pulumi_random as random

from ampere_infra.machines.hetzner import leftovers
from ampere_infra.machines.hetzner.door import Door
from ampere_infra.settings.hetzner import NETWORK_ZONES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network

    from ampere_infra.machines.hetzner.cloud import Cloud

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
PUBLIC_PORTS: Final = ("80", "443")
ADMIN_PORTS: Final = ("22", "6443")
DOOR_PORTS: Final = ("22",)


@dataclass(frozen=True)
class HetznerSiteArgs:
    """Where a server is to stand."""

    cluster: str
    cloud: Cloud
    location: str
    network: IPv4Network
    subnet: IPv4Network
    admins: Sequence[IPv4Network]
    """Who may reach SSH and the API while these are public."""
    ssh_public_key: pulumi.Input[str]
    """Of the program itself, as OpenSSH writes it."""
    protect: bool
    """Refuse to delete the addresses and the network, in the state and at Hetzner."""
    administered_privately: bool = False
    """Let administrators in by a door of their own, that is open for first contacts only."""


class HetznerSite(pulumi.ComponentResource):
    """All but the server itself; the addresses survive it."""

    args: HetznerSiteArgs
    provider: hcloud.Provider
    labels: dict[str, pulumi.Input[str]]
    """On everything; what a lost run left is told by them from what is somebody else's."""
    ssh_key: hcloud.SshKey
    network: hcloud.Network
    subnet: hcloud.NetworkSubnet
    public: hcloud.Firewall
    """Open for everybody: web and ping."""
    admin: hcloud.Firewall
    """Open for administrators; not attached to anything by itself."""
    door: Door | None
    """What opens SSH to administrators for a while, where they have another way."""
    group: hcloud.PlacementGroup
    ipv4: hcloud.PrimaryIp
    ipv6: hcloud.PrimaryIp
    ipv6_address: pulumi.Output[str]
    """The server's own; nothing is served at it."""

    def __init__(
        self, name: str, args: HetznerSiteArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:machines:HetznerSite", name, None, opts)
        self.args = args
        self.provider = hcloud.Provider(
            f"{name}-hcloud",
            token=pulumi.Output.secret(args.cloud.token.get_secret_value()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        mark = random.RandomId(
            f"{name}-mark",
            byte_length=8,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.labels = {"ampere-cluster": args.cluster, leftovers.MARK: mark.hex}
        self.ssh_key = self._ssh_key(name)
        self.network = self._network(name)
        self.subnet = self._subnet(name)
        self.public = self._firewall(f"{name}-public", PUBLIC_PORTS, ANYWHERE, ping=True)
        admins = [str(network) for network in args.admins]
        self.admin = self._firewall(f"{name}-admin", ADMIN_PORTS, admins, ping=False)
        self.door = None
        if args.administered_privately:
            wall = self._firewall(f"{name}-door", DOOR_PORTS, admins, ping=False)
            self.door = Door(args.cloud, wall, f"{args.cluster}-door")
        self.group = self._group(name)
        self.ipv4 = self._address(name, "ipv4")
        self.ipv6 = self._address(name, "ipv6")
        # Hetzner's images take the first address of the network that the server is given.
        self.ipv6_address = self.ipv6.ip_address.apply(lambda network: f"{network}1")
        self.register_outputs({"ipv4": self.ipv4.ip_address, "ipv6": self.ipv6.ip_address})

    def options(self, name: str, kind: str, **more: Any) -> pulumi.ResourceOptions:  # noqa: ANN401
        """Return the options of something that has a name of its own in the project.

        Two of a name cannot be, not even for a moment.
        """
        return pulumi.ResourceOptions(
            parent=self,
            provider=self.provider,
            delete_before_replace=True,
            hooks=leftovers.hook(self.args.cloud, name, kind),
            **more,
        )

    def _ssh_key(self, name: str) -> hcloud.SshKey:
        return hcloud.SshKey(
            f"{name}-key",
            name=self.args.cluster,
            public_key=pulumi.Output.from_input(self.args.ssh_public_key).apply(str.strip),
            labels=self.labels,
            opts=self.options(f"{name}-key", "ssh_keys"),
        )

    def _network(self, name: str) -> hcloud.Network:
        return hcloud.Network(
            f"{name}-network",
            name=self.args.cluster,
            ip_range=str(self.args.network),
            delete_protection=self.args.protect,
            labels=self.labels,
            opts=self.options(f"{name}-network", "networks", protect=self.args.protect),
        )

    def _subnet(self, name: str) -> hcloud.NetworkSubnet:
        return hcloud.NetworkSubnet(
            f"{name}-subnet",
            network_id=self.network.id.apply(int),
            type="cloud",
            network_zone=NETWORK_ZONES[self.args.location],
            ip_range=str(self.args.subnet),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                delete_before_replace=True,
                hooks=leftovers.subnet_hook(self.args.cloud, f"{name}-subnet"),
            ),
        )

    def _firewall(
        self, name: str, ports: Sequence[str], sources: Sequence[str], *, ping: bool
    ) -> hcloud.Firewall:
        rules = [
            hcloud.FirewallRuleArgs(
                direction="in", protocol="tcp", port=port, source_ips=list(sources)
            )
            for port in ports
        ]
        if ping:
            rules.append(
                hcloud.FirewallRuleArgs(direction="in", protocol="icmp", source_ips=list(sources))
            )
        use = name.rpartition("-")[2]
        return hcloud.Firewall(
            name,
            name=f"{self.args.cluster}-{use}",
            rules=rules,
            labels=self.labels,
            opts=self.options(name, "firewalls"),
        )

    def _group(self, name: str) -> hcloud.PlacementGroup:
        return hcloud.PlacementGroup(
            f"{name}-group",
            name=self.args.cluster,
            type="spread",
            labels=self.labels,
            opts=self.options(f"{name}-group", "placement_groups"),
        )

    def _address(self, name: str, version: str) -> hcloud.PrimaryIp:
        return hcloud.PrimaryIp(
            f"{name}-{version}",
            name=f"{self.args.cluster}-{version}",
            type=version,
            location=self.args.location,
            # It would go with the server that it is assigned to.
            auto_delete=False,
            delete_protection=self.args.protect,
            labels=self.labels,
            opts=self.options(f"{name}-{version}", "primary_ips", protect=self.args.protect),
        )
