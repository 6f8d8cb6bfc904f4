"""Resource groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_azure_native.resources import ResourceGroup, ResourceGroupArgs

from ampere_infra.rehearsal.doubles.azure_native.arm import GROUP, Arm

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kind import Kind
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.world import World


class Group(Arm):
    """A group; with it goes all that is in it."""

    arguments = ResourceGroupArgs
    resource = ResourceGroup
    path = GROUP
    type = "Microsoft.Resources/resourceGroups"
    patterns = (("resourceGroupName", r"[-\w\._\(\)]{1,90}"),)
    located = True
    parents = ()

    def born(self, inputs: Properties) -> Properties:
        """Return what Azure gives a new group."""
        del inputs
        return {"properties": {"provisioningState": "Succeeded"}}


def kinds(world: World, cloud: Properties) -> dict[str, Kind]:
    """Return the types of this module, by token."""
    return {"azure-native:resources:ResourceGroup": Group(world, cloud)}
