"""The double of pulumi-hcloud 1.43.3, which is terraform-provider-hcloud 1.66.

Its rules are those of that provider's sources: what each resource's schema forces anew, computes or
defaults, what its create, update and delete ask the API for, and what they do with its refusals.
What the API refuses is in ``places/hetzner_rules.py``. The types are imported with the first
resource, so that other stacks never load the SDK.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from typing_extensions import override

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.hcloud import api
from ampere_infra.rehearsal.doubles.kind import Failure, Kind, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, text
from ampere_infra.rehearsal.places.hetzner import HetznerCloud

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.world import World

MODULES = ("parts", "networks", "servers")
_TOKEN_LENGTH = 64


class HcloudDouble(Double):
    """The provider."""

    package = "hcloud"
    version = "1.43.3"
    credentials = frozenset({"token"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if world.reality is not None:
            world.part(HetznerCloud).datacenter = world.reality.datacenter

    @override
    def kind(self, token: str) -> Kind:
        """Return the resource type of ``token``, the SDK loaded now if not before."""
        if not self.kinds:
            self.kinds = {
                f"hcloud:index/{name}": made
                for module in MODULES
                for name, made in import_module(f"{__name__}.{module}").kinds(self.world).items()
            }
        return super().kind(token)

    def check_config(self, config: Properties) -> list[Failure]:
        """Refuse a provider that takes its token from whoever's environment it is."""
        if "token" not in config:
            return [Failure("token is not set: the program would act in whatever project", "token")]
        return []

    def configure(self, config: Properties) -> None:
        """Take the token (``hcloud/plugin_provider.go``: 64 characters)."""
        token = text(config, "token")
        if len(token) != _TOKEN_LENGTH:
            raise RefusalError("Invalid Hetzner Cloud API token: it must be 64 characters long")
        self.world.part(HetznerCloud).token = token

    @contextmanager
    def beside(self) -> Generator[None]:
        """Serve the API itself on loopback, for what the program asks it outside of resources."""
        with api.serving(self.world):
            yield


def double(world: World) -> Double:
    """Return the double of this package."""
    return HcloudDouble(world)
