"""What machines stand on: the checked host, its storage pool, the network and the base image."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import pulumi
import pulumi_libvirt as libvirt

from ampere_infra.machines import scripts
from ampere_infra.machines.commands import Script, on_host
from ampere_infra.machines.libvirt.leftovers import Leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi_command import remote

    from ampere_infra.machines.kvm_host import KvmHost
    from ampere_infra.settings.home import Image, Network


@dataclass(frozen=True)
class LibvirtSiteArgs:
    """Where machines are to stand."""

    cluster: str
    host: KvmHost
    network: Network
    pool_path: str
    image: Image
    host_key_timeout: int
    """Seconds that a new machine has until it answers on SSH."""
    sudo_probe: Sequence[str] = ()
    """Commands that must run as root for the NGINX front; none, and NGINX is not looked for."""
    protect: bool = True
    """Refuse to replace or delete the network, which no running machine can leave."""


class LibvirtSite(pulumi.ComponentResource):
    """The host made ready."""

    args: LibvirtSiteArgs
    preflight: pulumi.Resource
    provider: libvirt.Provider
    leftovers: Leftovers
    pool: libvirt.Pool
    network: libvirt.Network | None
    """None where the machines are on the host's own bridge."""
    base_image: pulumi.Resource
    """The gate of every volume: it goes after them, and sweeps up when the cluster goes."""

    def __init__(
        self, name: str, args: LibvirtSiteArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:machines:LibvirtSite", name, None, opts)
        self.args = args
        self.leftovers = Leftovers(args.host)
        self.preflight = self._preflight(name)
        self.provider = libvirt.Provider(
            f"{name}-libvirt",
            uri=args.host.libvirt_uri,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.preflight]),
        )
        self.pool = self._pool(name)
        self.network = self._nat_network(name) if args.network.mode == "nat" else None
        self.base_image = self._base_image(name)
        self.register_outputs({"pool": self.pool.name, "image": scripts.base_volume(args.image)})

    def interface(self, mac: str) -> libvirt.DomainNetworkInterfaceArgs:
        """A machine's interface; its address is in its own network-config, no lease is waited for.

        The provider reads a MAC address back in upper case.
        """
        if self.network is None:
            bridge = self.args.network.bridge
            return libvirt.DomainNetworkInterfaceArgs(bridge=bridge, mac=mac.upper())
        return libvirt.DomainNetworkInterfaceArgs(network_name=self.network.name, mac=mac.upper())

    def _preflight(self, name: str) -> remote.Command:
        network = self.args.network
        script = scripts.preflight(
            self.args.cluster,
            self.args.pool_path,
            bridge=network.bridge,
            sudo_probe=self.args.sudo_probe,
            stream=network.mode == "nat",
        )
        opts = pulumi.ResourceOptions(parent=self)
        return on_host(f"{name}-preflight", self.args.host, Script(script), opts)

    def _pool(self, name: str) -> libvirt.Pool:
        cluster, path = self.args.cluster, self.args.pool_path
        return libvirt.Pool(
            f"{name}-pool",
            name=cluster,
            type="dir",
            target=libvirt.PoolTargetArgs(path=path),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                delete_before_replace=True,
                hooks=self.leftovers.hook(f"{name}-clear-pool", scripts.clear_pool(cluster, path)),
            ),
        )

    def _nat_network(self, name: str) -> libvirt.Network:
        cluster, bridge = self.args.cluster, bridge_name(self.args.cluster)
        clear = scripts.clear_network(cluster, bridge)
        return libvirt.Network(
            f"{name}-network",
            name=cluster,
            mode="nat",
            bridge=bridge,
            addresses=[str(self.args.network.subnet)],
            dhcp=libvirt.NetworkDhcpArgs(enabled=False),
            autostart=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                protect=self.args.protect,
                delete_before_replace=True,
                # A refresh reads DHCP back as enabled, whatever it is.
                ignore_changes=["dhcp"],
                hooks=self.leftovers.hook(f"{name}-clear-network", clear),
            ),
        )

    def _base_image(self, name: str) -> remote.Command:
        # Another image is an update: the sweep runs when the cluster goes, and only then.
        cluster = self.args.cluster
        script = Script(scripts.base_image(cluster, self.args.image), scripts.sweep(cluster))
        opts = pulumi.ResourceOptions(parent=self, depends_on=[self.pool])
        return on_host(f"{name}-base-image", self.args.host, script, opts)


def bridge_name(cluster: str) -> str:
    """The interface that libvirt makes for the network: Linux allows 15 characters."""
    return f"amp-{sha256(cluster.encode()).hexdigest()[:8]}"
