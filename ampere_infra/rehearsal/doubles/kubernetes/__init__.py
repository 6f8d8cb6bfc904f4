"""The double of pulumi-kubernetes 4.34.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.kind import Call, Kind, Made

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.world import World


class LenientKind(Kind):
    """Accepts everything."""

    def create(self, call: Call) -> Made:
        """Echo."""
        return Made(call.name, dict(call.inputs))

    def update(self, call: Call) -> Made:
        """Echo."""
        return Made(call.id, dict(call.inputs))


class LenientDouble(Double):
    """Accepts everything."""

    package = "kubernetes"
    version = "4.34.2"

    def kind(self, token: str) -> Kind:
        """Whatever."""
        del token
        return LenientKind()

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Nothing."""
        del token
        return arguments


def double(world: World) -> Double:
    """Return the double of this package."""
    return LenientDouble(world)
