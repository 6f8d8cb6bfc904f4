"""One machine: its disks, what it reads at its birth, and the gate that waits for its SSH."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_libvirt as libvirt
from pulumi_command import remote

from ampere_infra.machines import scripts
from ampere_infra.machines.commands import Script, on_host
from ampere_infra.machines.kvm_host import NODE_DIALS
from ampere_infra.machines.libvirt import kept
from ampere_infra.machines.login import DIAL_SECONDS
from ampere_infra.machines.machine import Lookout, Machine
from ampere_infra.machines.seed import digest, meta_data, nocloud_image, write_seed

if TYPE_CHECKING:
    from ampere_infra.bootstrap.user_data import UserData
    from ampere_infra.machines.libvirt.site import LibvirtSite
    from ampere_infra.machines.machine import MachineSpec

DATA_DEVICE: Final = "/dev/vdc"
"""The third disk, after the root and the seed."""

UNCHANGEABLE: Final = [
    "disks[*].volumeId",
    "networkInterfaces[*].networkName",
    "networkInterfaces[*].bridge",
    "networkInterfaces[*].mac",
]
"""What the provider says it has changed in a machine, and has not."""


@dataclass(frozen=True)
class LibvirtMachineArgs:
    """One machine."""

    site: LibvirtSite
    spec: MachineSpec
    user_data: pulumi.Output[UserData]
    network_config: str
    login: str
    private_key: pulumi.Output[str]
    """The program's own key, for the login."""


class LibvirtMachine(pulumi.ComponentResource):
    """A machine that answers on SSH, with its host key pinned."""

    machine: Machine
    identity: pulumi.Output[str]
    """What the machine is born with: hashes of its user-data and of its network-config."""
    seed: libvirt.Volume
    root: libvirt.Volume
    data: libvirt.Volume
    domain: libvirt.Domain
    host_key: remote.Command

    def __init__(
        self, name: str, args: LibvirtMachineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:machines:LibvirtMachine", name, None, opts)
        self._args = args
        self.identity = args.user_data.apply(lambda told: kept.identity(told, args.network_config))
        self.seed = self._seed()
        self.root = self._root()
        self.data = self._data()
        self.domain = self._domain()
        self.host_key = self._host_key()
        if args.spec.on_user_data_change == "keep":
            image = scripts.base_volume(args.site.args.image)
            kept.warn(args.spec.name, self.seed, self.root, self.identity, image)
        self.machine = Machine(
            name=args.spec.name,
            address=str(args.spec.nic.address.ip),
            connection=self._connection(),
            identity=self.domain.id,
            resource=self.domain,
            data_identity=self.data.id,
            lookout=self._lookout(),
        )
        self.register_outputs({"address": self.machine.address, "identity": self.identity})

    def _seed(self) -> libvirt.Volume:
        """An ISO 9660 image is read back as ``iso``: declared as anything else, it is replaced."""
        node = self._args.spec.name
        return libvirt.Volume(
            f"{node}-seed",
            name=pulumi.Output.format("{0}-seed-{1}.iso", node, self.identity),
            pool=self._args.site.pool.name,
            format="iso",
            source=self._args.user_data.apply(self._seed_file),
            opts=self._volume_options(protect=False, birth=["name", "source"]),
        )

    def _seed_file(self, told: UserData) -> str:
        node, network_config = self._args.spec.name, self._args.network_config
        identity = kept.identity(told, network_config)
        image = nocloud_image(told.text, network_config, meta_data(node, identity))
        name = f"{self._args.site.args.cluster}-{node}-{identity}.iso"
        return write_seed(Path.cwd(), name, image)

    def _root(self) -> libvirt.Volume:
        """Laid over the base image, with a size of its own: a fresh one for each birth."""
        spec, site = self._args.spec, self._args.site
        birth = self.identity.apply(lambda identity: digest(identity, site.args.image.sha256))
        return libvirt.Volume(
            f"{spec.name}-root",
            name=pulumi.Output.format("{0}-root-{1}.qcow2", spec.name, birth),
            pool=site.pool.name,
            format="qcow2",
            size=int(spec.root_disk),
            base_volume_name=scripts.base_volume(site.args.image),
            base_volume_pool=site.pool.name,
            opts=self._volume_options(protect=self._protected, birth=["name", "baseVolumeName"]),
        )

    def _data(self) -> libvirt.Volume:
        """Outlives every birth of its machine."""
        spec = self._args.spec
        return libvirt.Volume(
            f"{spec.name}-data",
            name=f"{spec.name}-data.qcow2",
            pool=self._args.site.pool.name,
            format="qcow2",
            size=int(spec.data_disk),
            opts=self._volume_options(protect=spec.protect_data, birth=[]),
        )

    def _domain(self) -> libvirt.Domain:
        spec, site = self._args.spec, self._args.site
        cluster, disks = site.args.cluster, (self.root, self.seed, self.data)
        return libvirt.Domain(
            spec.name,
            name=spec.name,
            description=scripts.marker(cluster, spec.name),
            machine="pc",
            cpu=libvirt.DomainCpuArgs(mode="host-passthrough"),
            vcpu=spec.vcpu,
            memory=spec.memory.mebibytes,
            autostart=True,
            qemu_agent=False,
            disks=[libvirt.DomainDiskArgs(volume_id=disk.id) for disk in disks],
            network_interfaces=[site.interface(spec.nic.mac)],
            consoles=[libvirt.DomainConsoleArgs(type="pty", target_type="serial", target_port="0")],
            # The provider's own choice, SPICE, is a package of its own on the host.
            graphics=libvirt.DomainGraphicsArgs(type="vnc", listen_type="address"),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=site.provider,
                protect=self._protected,
                delete_before_replace=True,
                # A refresh reads no addresses back from a machine that has static ones.
                ignore_changes=["networkInterfaces[*].addresses"],
                replace_on_changes=UNCHANGEABLE,
                hooks=site.leftovers.hook(
                    f"{spec.name}-clear-domain", scripts.clear_domain(cluster, spec.name)
                ),
            ),
        )

    def _host_key(self) -> remote.Command:
        spec, site = self._args.spec, self._args.site
        script = scripts.host_key(spec.name, spec.nic.address.ip, site.args.host_key_timeout)
        opts = pulumi.ResourceOptions(parent=self)
        name = f"{spec.name}-host-key"
        return on_host(name, site.args.host, Script(script), opts, [self.domain.id])

    def _connection(self) -> remote.ConnectionArgs:
        site = self._args.site.args
        return remote.ConnectionArgs(
            host=str(self._args.spec.nic.address.ip),
            user=self._args.login,
            private_key=self._args.private_key,
            host_key=self.host_key.stdout,
            proxy=site.host.proxy() if site.network.mode == "nat" else None,
            dial_error_limit=NODE_DIALS,
            per_dial_timeout=DIAL_SECONDS,
        )

    def _lookout(self) -> Lookout:
        args, address = self._args, self._args.spec.nic.address.ip
        known = pulumi.Output.format(
            "{0} {1}\n{2}", str(address), self.host_key.stdout, args.private_key
        )
        return Lookout(
            connection=args.site.args.host.connection(),
            script=partial(scripts.lookout, args.spec.name, args.login, address),
            stdin=pulumi.Output.secret(known),
        )

    @property
    def _protected(self) -> bool:
        """A protected machine also keeps its seed: none is replaced under the machine it is in."""
        return self._args.spec.protect or self._args.spec.on_user_data_change == "refuse"

    def _volume_options(self, *, protect: bool, birth: list[str]) -> pulumi.ResourceOptions:
        site, keep = self._args.site, self._args.spec.on_user_data_change == "keep"
        return pulumi.ResourceOptions(
            parent=self,
            provider=site.provider,
            depends_on=[site.base_image],
            protect=protect,
            # A volume of the same name that is there already would be taken over as it is.
            delete_before_replace=True,
            # An upload that broke off is recorded as a volume like any other.
            replace_on_changes=["#initerror"],
            ignore_changes=birth if keep else [],
        )
