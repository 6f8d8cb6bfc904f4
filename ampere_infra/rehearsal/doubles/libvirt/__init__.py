"""The double of pulumi-libvirt 0.5.4, which is terraform-provider-libvirt 0.8.1.

Its rules are those of that version's sources: the checks before each call of libvirt, the schema's
``ForceNew`` and ``Computed``, and what is left behind when a call of libvirt fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlparse

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.kind import Failure, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import real
from ampere_infra.rehearsal.doubles.libvirt.domains import ModelledDomain
from ampere_infra.rehearsal.doubles.libvirt.networks import ModelledNetwork
from ampere_infra.rehearsal.doubles.libvirt.pools import ModelledPool
from ampere_infra.rehearsal.doubles.libvirt.volumes import ModelledVolume
from ampere_infra.rehearsal.doubles.values import Properties, text
from ampere_infra.rehearsal.places.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.doubles.kind import Kind
    from ampere_infra.rehearsal.world import World

_SSH_PORT = 22


class LibvirtDouble(Double):
    """The provider."""

    package = "libvirt"
    version = "0.5.4"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        found = _modelled(world) if world.reality is None else real.kinds(world.reality)
        self.kinds = {f"libvirt:index/{name}:{name.title()}": kind for name, kind in found.items()}

    def check_config(self, config: Properties) -> list[Failure]:
        """Refuse a provider that is not told where libvirt is."""
        if "uri" not in config:
            return [
                Failure(
                    "could not validate provider configuration: Missing required argument. "
                    "The argument 'uri' is required, but no definition was found"
                )
            ]
        return []

    def configure(self, config: Properties) -> None:
        """Check the URI as the SSH dialer does, which reads its files while it is configured."""
        host = self.world.part(Hypervisor)
        host.dialled = True
        uri = urlparse(text(config, "uri"))
        if not uri.scheme or uri.path not in ("/system", "/session", "/default"):
            raise RefusalError(f"failed to connect: invalid libvirt URI '{text(config, 'uri')}'")
        if not uri.scheme.endswith("+ssh"):
            return
        host.address = uri.hostname or ""
        if uri.port not in (None, _SSH_PORT):
            raise RefusalError(
                f"failed to connect: failed to connect to remote host '{uri.hostname}': "
                f"dial tcp: connect to port {uri.port}: connection refused"
            )
        query = parse_qs(uri.query)
        for key, what in (("keyfile", "ssh key"), ("knownhosts", "ssh known hosts")):
            path = query.get(key, [f"${{HOME}}/.ssh/{key}"])[0]
            # Only a key file's path has its ~ expanded.
            real = Path(path).expanduser() if key == "keyfile" else Path(path)
            if not real.is_file():
                raise RefusalError(
                    f"failed to connect: failed to read {what}: open {path}: "
                    "no such file or directory"
                )


def _modelled(world: World) -> Mapping[str, Kind]:
    host = world.part(Hypervisor)
    return {
        "pool": ModelledPool(host),
        "volume": ModelledVolume(host, world),
        "network": ModelledNetwork(host),
        "domain": ModelledDomain(host, world),
    }


def double(world: World) -> Double:
    """Return the double of this package."""
    return LibvirtDouble(world)
