"""The KVM host, and every way to reach it: commands, hooks, libvirt, a proxy to the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pulumi
from pulumi_command import remote
from pydantic import SecretStr

from ampere_infra.machines.login import (
    DIAL_SECONDS,
    KNOWN_HOSTS,
    Unusable,
    known_key,
    pin,
    ssh_words,
    text_of,
    unusable_key,
)
from ampere_infra.settings.mistakes import Mistake, SettingsError, spelled

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path

    from ampere_infra.machines.known_hosts import HostKey
    from ampere_infra.settings.home import Host

HOST_DIALS: Final = 10
"""Attempts at the host: it is there, and a wrong key should not take minutes to say so."""
NODE_DIALS: Final = 30
"""Attempts at a node, about two minutes: it may be restarting."""


@dataclass(frozen=True)
class KvmHost:
    """The host, with its key pinned and the user's key read."""

    user: str
    address: IPv4Address
    host_key: HostKey
    private_key: SecretStr
    key_file: str
    """The private key's file as the settings spell it, with ``/``."""

    def connection(self) -> remote.ConnectionArgs:
        """How commands run on the host."""
        return remote.ConnectionArgs(
            host=str(self.address),
            user=self.user,
            private_key=self._secret_key(),
            host_key=str(self.host_key),
            dial_error_limit=HOST_DIALS,
            per_dial_timeout=DIAL_SECONDS,
        )

    def proxy(self) -> remote.ProxyConnectionArgs:
        """How commands reach a node behind NAT: through the host."""
        return remote.ProxyConnectionArgs(
            host=str(self.address),
            user=self.user,
            private_key=self._secret_key(),
            host_key=str(self.host_key),
            dial_error_limit=HOST_DIALS,
            per_dial_timeout=DIAL_SECONDS,
        )

    def _secret_key(self) -> pulumi.Output[str]:
        return pulumi.Output.secret(self.private_key.get_secret_value())

    @property
    def ssh(self) -> list[str]:
        """The OpenSSH client's words up to the command, which runs without a question asked."""
        return ssh_words(f"{self.user}@{self.address}", self.key_file, self.host_key.kind)

    @property
    def libvirt_uri(self) -> str:
        """Where the libvirt provider finds libvirtd; the same for everybody who runs the program.

        The provider expands ``~/`` in ``keyfile`` on every system, and only there; its other
        defaults need ``${HOME}``, which Windows does not set.
        """
        query = urlencode(
            {
                "keyfile": self.key_file,
                "knownhosts": KNOWN_HOSTS,
                "known_hosts_verify": "normal",
                "sshauth": "privkey",
            },
            safe="/:~",
        ).replace("+", "%20")
        return f"qemu+ssh://{self.user}@{self.address}/system?{query}"


def kvm_host(settings: Host, project: Path) -> KvmHost:
    """The host that ``settings`` tell of; its pinned key is written below ``project``.

    Raises:
        SettingsError: The private key cannot be used, or the host's own key is not known.
    """
    key, pinned = _private_key(settings), known_key(settings)
    if isinstance(key, Unusable) or isinstance(pinned, Unusable):
        raise SettingsError(
            Mistake(f"ampere:host.{setting}", spelled(getattr(settings, setting)), str(found))
            for setting, found in (("private_key_file", key), ("known_hosts_file", pinned))
            if isinstance(found, Unusable)
        )
    pin(settings, pinned, project)
    return KvmHost(
        user=settings.user,
        address=settings.address,
        host_key=pinned,
        private_key=key,
        key_file=settings.private_key_file.replace("\\", "/"),
    )


def _private_key(settings: Host) -> SecretStr | Unusable:
    if problem := unusable_key(settings):
        return problem
    text = text_of(settings.private_key_file) or ""
    return SecretStr(text.replace("\r\n", "\n").rstrip("\n") + "\n")
