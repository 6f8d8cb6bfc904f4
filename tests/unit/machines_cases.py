"""The home cluster's machines against the engine's mocks, with the options that each is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi.runtime
from bootstrap_cases import home_settings
from pulumi.runtime.mocks import MockMonitor
from pydantic import SecretStr

from ampere_infra.bootstrap.netplan import network_config
from ampere_infra.bootstrap.spec import Nic
from ampere_infra.bootstrap.user_data import UserData
from ampere_infra.machines.known_hosts import HostKey
from ampere_infra.machines.kvm_host import KvmHost
from ampere_infra.machines.libvirt import (
    LibvirtMachine,
    LibvirtMachineArgs,
    LibvirtSite,
    LibvirtSiteArgs,
)
from ampere_infra.machines.machine import Machine, MachineSpec
from ampere_infra.settings.mac import mac

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.settings.home import HomeSettings, OnUserDataChange

USER_KEY = "canary-of-the-users-key"
NODE_KEY = "canary-of-the-nodes-key"
BORN = UserData("#cloud-config\n{}\n", "0123456789ab", {})
DOMAIN = "libvirt:index/domain:Domain"
VOLUME = "libvirt:index/volume:Volume"
NETWORK = "libvirt:index/network:Network"
POOL = "libvirt:index/pool:Pool"
COMMAND = "command:remote:Command"


@dataclass
class Asked:
    """One resource that the program asked for, with its options."""

    type: str
    inputs: dict[str, Any]
    options: Any

    @property
    def dependencies(self) -> set[str]:
        return {urn.rpartition("::")[2] for urn in self.options.dependencies}


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Answers as if all went well."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == COMMAND:
            outputs["stdout"] = f"stdout of {args.name}"
        return f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(args.token)


class Monitor(MockMonitor):
    """Remembers each request whole: the mocks themselves see no options."""

    def __init__(self) -> None:
        super().__init__(Recorder())
        self.requests: list[Any] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        return super().RegisterResource(request)


@dataclass
class Site:
    """What was asked for, and what was handed back."""

    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    machines: dict[str, Machine] = field(default_factory=dict[str, Machine])

    def of(self, type_: str) -> dict[str, Asked]:
        return {name: asked for name, asked in self.asked.items() if asked.type == type_}


def host() -> KvmHost:
    settings = home_settings().host
    return KvmHost(
        user=settings.user,
        address=settings.address,
        host_key=HostKey("ssh-ed25519", "AAAA"),
        private_key=SecretStr(USER_KEY),
        key_file="~/.ssh/id_ed25519",
    )


def spec(home: HomeSettings, name: str, policy: OnUserDataChange = "replace") -> MachineSpec:
    machine = next(m for m in (home.control_plane, *home.workers.machines) if m.name == name)
    network = home.network
    return MachineSpec(
        name=name,
        vcpu=machine.vcpu,
        memory=machine.memory,
        root_disk=machine.root_disk,
        data_disk=machine.data_disk,
        nic=Nic(
            mac(home.cluster.name, name),
            home.interface(machine),
            network.gateway,
            tuple(network.nameservers),
        ),
        on_user_data_change=policy,
        protect=False,
    )


def build(*specs: MachineSpec, born: UserData = BORN, **changes: Any) -> Site:
    """Ask for ``specs`` on the home site, with ``changes`` to its arguments."""
    monitor, site = Monitor(), Site()
    pulumi.runtime.set_mocks(Recorder(), preview=False, monitor=monitor)

    @pulumi.runtime.test
    def program() -> None:
        site.machines.update(_ask(specs, born, changes))

    program()
    for request in monitor.requests:
        if request.type == "pulumi:pulumi:Stack":
            continue
        inputs = pulumi.runtime.rpc.deserialize_properties(request.object)
        site.asked[f"{request.name}"] = Asked(request.type, inputs, request)
    return site


def _ask(
    specs: tuple[MachineSpec, ...], born: UserData, changes: Mapping[str, Any]
) -> dict[str, Machine]:
    home = home_settings()
    args = LibvirtSiteArgs(
        cluster=home.cluster.name,
        host=host(),
        network=home.network,
        pool_path=home.storage.pool_path,
        image=home.image,
        host_key_timeout=900,
    )
    site = LibvirtSite("site", replace(args, **changes))
    made: dict[str, Machine] = {}
    for wanted in specs:
        machine = LibvirtMachine(
            f"{wanted.name}-machine",
            LibvirtMachineArgs(
                site=site,
                spec=wanted,
                user_data=pulumi.Output.from_input(born),
                network_config=network_config(wanted.nic),
                login=home.cluster.login,
                private_key=pulumi.Output.secret(NODE_KEY),
            ),
        )
        made[wanted.name] = machine.machine
    return made
