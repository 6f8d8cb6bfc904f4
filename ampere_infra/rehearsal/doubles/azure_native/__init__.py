"""The double of pulumi-azure-native 3.29.0: what the foundation is made of, and nothing else.

Its types are imported with the first resource, so that other stacks never load the SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from typing_extensions import override

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.kind import Failure, Kind, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

MODULES = ("groups", "vaults", "storage", "access")


class AzureDouble(Double):
    """The provider."""

    package = "azure-native"
    version = "3.29.0"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.cloud: Properties = {}
        """The provider's settings: subscription, tenant, location."""

    @override
    def kind(self, token: str) -> Kind:
        """Return the resource type of ``token``, the SDK loaded now if not before."""
        if not self.kinds:
            self.kinds = {
                name: kind
                for module in MODULES
                for name, kind in import_module(f"{__name__}.{module}")
                .kinds(self.world, self.cloud)
                .items()
            }
        return super().kind(token)

    @override
    def check_config(self, config: Properties) -> list[Failure]:
        """Refuse a provider that takes its subscription from whoever is logged in."""
        return [
            Failure(f"{name} is not set: the program would act wherever `az login` was last", name)
            for name in ("subscriptionId", "tenantId")
            if name not in config
        ]

    @override
    def configure(self, config: Properties) -> None:
        """Take the settings; a secret among them is none of this program's ways to log in."""
        for name in ("clientSecret", "clientCertificatePassword"):
            if text(config, name):
                raise RefusalError(f"{name} is set, but no secret of Azure belongs to this project")
        self.cloud.update(config)


def double(world: World) -> Double:
    """Return the double of this package."""
    return AzureDouble(world)
