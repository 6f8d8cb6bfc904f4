"""The double of pulumi-kubernetes 4.34.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_kubernetes import ProviderArgs

from ampere_infra.rehearsal.doubles import schema
from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.diffs import Change, Difference, changes
from ampere_infra.rehearsal.doubles.kind import Failure, Kind, RefusalError
from ampere_infra.rehearsal.doubles.kubernetes.access import Access
from ampere_infra.rehearsal.doubles.kubernetes.objects import ModelledObject
from ampere_infra.rehearsal.doubles.kubernetes.real import RealObject, RealRelease, Server
from ampere_infra.rehearsal.doubles.kubernetes.releases import ModelledRelease

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.world import World

_RELEASE = "kubernetes:helm.sh/v3:Release"
_PARTS_OF_A_TOKEN = 3


class KubernetesDouble(Double):
    """The provider."""

    package = "kubernetes"
    version = "4.34.2"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.access = Access(world)
        given = world.api_server
        self.server = Server(given, world.warnings) if given is not None else None
        self.known: dict[str, Kind] = {_RELEASE: self._release()}

    def kind(self, token: str) -> Kind:
        """Return the kind of object; there is no end to them, so each is made when it is met."""
        if len(token.split(":")) != _PARTS_OF_A_TOKEN or "/" not in token:
            raise RefusalError(f"unrecognized resource type: {token}")
        if token not in self.known:
            self.known[token] = self._object(token)
        return self.known[token]

    def check_config(self, config: Properties) -> list[Failure]:
        """Refuse settings that the provider does not have."""
        fields = schema.fields_of(ProviderArgs)
        names = (name for name in config if name not in fields and name != "version")
        return [Failure(f"unknown configuration key {name}", name) for name in names]

    def diff_config(self, old: Properties, new: Properties) -> Difference:
        """Replace all objects when it is another cluster; anything else is an update."""
        found = tuple(changes(old, new, skip=lambda _: False))
        keys = {"clusterIdentifier"} if new.get("clusterIdentifier") else {"kubeconfig"}
        replacing = frozenset(change.path for change in found if self._replaces(change, keys))
        return Difference(found, replacing)

    def configure(self, config: Properties) -> None:
        """Look for the cluster."""
        self.access.configure(config)

    def attach(self, engine: str) -> None:
        """Take orders again: another engine has come."""
        del engine
        if self.server is not None:
            self.server.programs.resume()

    def cancel(self) -> None:
        """End what is under way on a real API server."""
        if self.server is not None:
            self.server.programs.cancel()
            self.server.api.close()

    def _release(self) -> Kind:
        if self.server is None:
            return ModelledRelease(self.access)
        return RealRelease(self.access, self.server)

    def _object(self, token: str) -> Kind:
        if self.server is None:
            return ModelledObject(token, self.access)
        return RealObject(token, self.access, self.server)

    def _replaces(self, change: Change, keys: set[str]) -> bool:
        return change.top in keys


def double(world: World) -> Double:
    """Return the double of this package."""
    return KubernetesDouble(world)
