"""The settings of the house: the KVM host, its network, and the machines on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.types import (
    Address,
    Bridge,
    DnsLabel,
    DnsName,
    Flag,
    HostPath,
    HttpsUrl,
    LocalPath,
    Login,
    Model,
    Sha256,
    Size,
    Subnet,
)


class Host(Model):
    """The KVM host: where libvirtd and the NGINX front run."""

    name: DnsName
    """How SSH and the API's certificate name the host; it must resolve where Pulumi runs."""
    user: Login
    """The account there that may use libvirt."""
    address: Address
    """The host's LAN address; the service names and, behind NAT, the API answer there."""
    private_key_file: LocalPath = "~/.ssh/id_ed25519"
    """The SSH key of the person or CI that runs Pulumi, on that machine."""
    known_hosts_file: LocalPath = "~/.ssh/known_hosts"
    """Where the host's own key is known from; connecting to an unknown host is refused."""
    apply_nginx: Flag = True
    """Whether the program installs its NGINX configuration on the host, or only prints it."""


class Network(Model):
    """The network that the nodes' first interface is on."""

    mode: Literal["nat", "bridge"]
    """``nat``: a network that libvirt makes behind the host; ``bridge``: the host's LAN."""
    subnet: Subnet
    """The network of the nodes' addresses; with ``bridge`` it is the LAN."""
    gateway: Address
    """Behind NAT, the host's own address on the network that libvirt makes."""
    nameservers: Annotated[tuple[Address, ...], Field(min_length=1)]
    """The DNS servers that the nodes ask."""
    bridge: Bridge | None = None
    """The host's bridge; needed in mode ``bridge``, refused in mode ``nat``."""


class Storage(Model):
    """Where the machines' disks lie on the KVM host."""

    pool_path: HostPath
    """A folder on the host for this cluster alone; libvirt makes it."""
    protect_data: Flag = True
    """Refuse to replace or delete a data volume, and its data, until this says false."""


class Image(Model):
    """The cloud image that root disks are laid over."""

    distribution: Literal["ubuntu-24.04", "debian-13"]
    """The packages and units that nodes get are made for it."""
    url: HttpsUrl
    """Downloaded by the KVM host, once."""
    sha256: Sha256
    """Checked on the KVM host after the download, before any disk is laid over it."""


class MachineSize(Model):
    """One machine's hardware and address."""

    name: DnsLabel
    """The machine's, its host's and its Kubernetes node's name."""
    address: Address
    """Its fixed address, inside the network's subnet."""
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)]
    """Processors; a change restarts the machine anew, with its disks."""
    memory: Size
    """Memory; a change restarts the machine anew, with its disks."""
    root_disk: Size
    """The operating system and the container images; made anew when the machine is replaced."""
    data_disk: Size
    """A volume of its own, protected: etcd on the master, volumes of pods on a worker."""


OnUserDataChange = Literal["keep", "refuse", "replace"]
"""What a change of a machine's user-data does, which cloud-init reads at a machine's birth only.

``keep`` leaves the machine as it was born and says so, ``refuse`` stops the plan, ``replace``
rebuilds the machine.
"""


class ControlPlane(MachineSize):
    """The master: etcd is there, so a change of its user-data keeps it unless told otherwise."""

    on_user_data_change: OnUserDataChange = "keep"
    """``keep`` leaves the master as it was born and says so."""
    protect: Flag = True
    """Refuse to replace or delete the machine until this says false."""


class Worker(MachineSize):
    """A worker."""


class Workers(Model):
    """The workers and what a change of their user-data does."""

    on_user_data_change: OnUserDataChange = "replace"
    """``replace`` drains and rebuilds one worker after the other."""
    machines: Annotated[tuple[Worker, ...], Field(min_length=1)]
    """The workers; another entry is another worker."""
