"""One server: what it is born with, its places in the networks, and its host key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_hcloud as hcloud
from pulumi_command import remote

from ampere_infra.machines.hetzner import leftovers, stock
from ampere_infra.machines.hetzner.door import Door
from ampere_infra.machines.hetzner.user_data import packed
from ampere_infra.machines.login import DIAL_SECONDS
from ampere_infra.machines.machine import Machine

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from ampere_infra.bootstrap.user_data import UserData
    from ampere_infra.machines.hetzner.site import HetznerSite
    from ampere_infra.settings.hetzner import Prices
    from ampere_infra.settings.site import OnUserDataChange

HOST_KEY: Final = "cat /etc/ssh/ssh_host_ed25519_key.pub"
DIALS: Final = 30
"""Attempts at the server, about two minutes: it may be restarting."""
FIRST_DIALS: Final = 120
"""Attempts at the first contact: the server is made, boots, and lets the program's key in."""


@dataclass(frozen=True)
class ServerSpec:
    """The server as the settings want it."""

    name: str
    type: str
    image: str
    private_address: IPv4Address
    backups: bool
    protect: bool
    on_user_data_change: OnUserDataChange
    prices: Prices
    """What else is to be had, where this type is not."""


@dataclass(frozen=True)
class HetznerMachineArgs:
    """One server."""

    site: HetznerSite
    spec: ServerSpec
    user_data: pulumi.Output[UserData]
    login: str
    private_key: pulumi.Output[str]
    """The program's own key, for the login."""


class HetznerMachine(pulumi.ComponentResource):
    """A server that answers on SSH, with its host key pinned from the first contact on."""

    machine: Machine
    server: hcloud.Server
    admin_access: pulumi.Resource | None
    """What opens SSH and the API to administrators, unless there is a door."""
    door: Door | None
    public_way: pulumi.ResourceHookBinding | None
    """What opens the door, where there is one, to what goes by the public address."""
    host_key: remote.Command

    def __init__(
        self, name: str, args: HetznerMachineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:machines:HetznerMachine", name, None, opts)
        self._args = args
        self.server = self._server(self._born())
        self.door = door = args.site.door
        self.public_way = door.opening(args.spec.name) if door else None
        self.admin_access = None if door else self._admin_access()
        self.host_key = self._host_key()
        self.machine = Machine(
            name=args.spec.name,
            address=args.site.ipv4.ip_address,
            connection=self._connection(self.host_key.stdout, DIALS),
            identity=self.server.id,
            resource=self.server,
        )
        self.register_outputs({"address": self.machine.address, "identity": self.server.id})

    def _born(self) -> pulumi.Output[str]:
        """Return the user-data that the server was, or is to be, born with.

        The state keeps it: what the settings would give the server now shows in the plan, and
        reaches it only where it is to be born again because of it.
        """
        node, told = self._args.spec.name, self._args.user_data
        keep = self._args.spec.on_user_data_change == "keep"
        identity = pulumi.Stash(
            f"{node}-identity",
            input=told.apply(lambda born: born.identity),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=self._protected,
                ignore_changes=["input"] if keep else [],
                replace_on_changes=["input"],
            ),
        )
        text = pulumi.Stash(
            f"{node}-user-data",
            input=told.apply(lambda born: born.text),
            opts=pulumi.ResourceOptions(parent=self, replace_with=[identity]),
        )
        return text.output.apply(packed)

    def _server(self, user_data: pulumi.Output[str]) -> hcloud.Server:
        spec, site = self._args.spec, self._args.site
        addresses = hcloud.ServerPublicNetArgs(
            ipv4_enabled=True,
            ipv4=site.ipv4.id.apply(int),
            ipv6_enabled=True,
            ipv6=site.ipv6.id.apply(int),
        )
        private = hcloud.ServerNetworkArgs(
            network_id=site.subnet.network_id, ip=str(spec.private_address), alias_ips=[]
        )
        location, cloud = site.args.location, site.args.cloud
        in_stock = stock.hook(cloud, spec.name, spec.type, location, spec.prices)
        return hcloud.Server(
            spec.name,
            name=spec.name,
            server_type=spec.type,
            image=spec.image,
            location=location,
            user_data=user_data,
            ssh_keys=[site.ssh_key.id],
            public_nets=[addresses],
            networks=[private],
            firewall_ids=[site.public.id.apply(int)],
            # The other one comes and goes by its own attachment.
            ignore_remote_firewall_ids=True,
            placement_group_id=site.group.id.apply(int),
            backups=spec.backups,
            delete_protection=spec.protect,
            rebuild_protection=spec.protect,
            shutdown_before_deletion=True,
            # A smaller type later needs a disk that did not grow.
            keep_disk=True,
            labels=site.labels,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=site.provider,
                protect=self._protected,
                delete_before_replace=True,
                replace_on_changes=["#initerror"],
                ignore_changes=["image", "sshKeys"] if self._kept else [],
                hooks=leftovers.hook(cloud, spec.name, "servers", in_stock),
            ),
        )

    def _admin_access(self) -> hcloud.FirewallAttachment:
        site, node = self._args.site, self._args.spec.name
        return hcloud.FirewallAttachment(
            f"{node}-admin-access",
            firewall_id=site.admin.id.apply(int),
            server_ids=[self.server.id.apply(int)],
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=site.provider,
                delete_before_replace=True,
                deleted_with=self.server,
            ),
        )

    def _host_key(self) -> remote.Command:
        """Ask the server itself, before anything is entrusted to it: nothing secret is sent."""
        door = self._args.site.door
        opened = self.admin_access or (door.firewall if door else None)
        return remote.Command(
            f"{self._args.spec.name}-host-key",
            connection=self._connection(None, FIRST_DIALS),
            create=HOST_KEY,
            triggers=[self.server.id],
            logging=remote.Logging.STDERR,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[opened] if opened else [], hooks=self.public_way
            ),
        )

    def _connection(self, host_key: pulumi.Output[str] | None, dials: int) -> remote.ConnectionArgs:
        return remote.ConnectionArgs(
            host=self._args.site.ipv4.ip_address,
            user=self._args.login,
            private_key=self._args.private_key,
            host_key=host_key,
            dial_error_limit=dials,
            per_dial_timeout=DIAL_SECONDS,
        )

    @property
    def _kept(self) -> bool:
        return self._args.spec.on_user_data_change == "keep"

    @property
    def _protected(self) -> bool:
        return self._args.spec.protect or self._args.spec.on_user_data_change == "refuse"
