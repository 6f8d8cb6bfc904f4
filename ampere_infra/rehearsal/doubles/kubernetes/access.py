"""Whether the API server can be reached, and what a kubeconfig says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlparse

import yaml

from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hosts import Hosts
from ampere_infra.rehearsal.places.hypervisor import Hypervisor

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.world import World

_REFUSED = (
    "unable to load schema information from the API server: "
    'Get "{0}/openapi/v2?timeout=32s": dial tcp {1}: connect: connection refused'
)
_FLAGS = ("enableSecretMutable", "enableConfigMapMutable", "upsertExistingObjects")


class Access:
    """The provider's way to a cluster."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cluster = world.part(Cluster)
        self.host = world.part(Hypervisor)
        self.hosts = world.part(Hosts)
        self.server = ""
        self.unreachable = ""
        """Why the cluster could not be reached when the provider was configured, if so."""
        self.flags: dict[str, bool] = {}

    def configure(self, config: Properties) -> None:
        """Take the provider's settings; an unusable kubeconfig shows with the first operation."""
        self.flags = {flag: config.get(flag) in (True, "true") for flag in _FLAGS}
        self.unreachable = ""
        try:
            self.server = server_of(str(config.get("kubeconfig") or ""))
        except RefusalError as error:
            self.unreachable = str(error)
            return
        self.unreachable = self._refusal()

    def must(self, words: str) -> None:
        """Raise unless the API server answers."""
        why = self.unreachable or self._refusal()
        if why:
            raise RefusalError(words.format(why))

    def _refusal(self) -> str:
        """Return why the connection is refused, or nothing.

        Where no hypervisor is part of the rehearsal, the cluster is somebody else's and answers.
        """
        if not self.host.dialled:
            return ""
        endpoint = urlparse(self.server).netloc
        address, _, port = endpoint.partition(":")
        refused = _REFUSED.format(self.server, endpoint)
        master = self.host.domains.get(self.cluster.control_plane)
        if master is None or not master.running:
            return refused
        own = master.born_of.addresses if master.born_of else ()
        if address in own:
            return ""
        front = self.hosts.files.get(address)
        if not front:
            # A front that somebody else looks after is none of the rehearsal's business.
            return refused if self.hosts.files else ""
        passes = any(f"{a}:" in text and f"{port}" in text for a in own for text in front.values())
        return "" if passes else refused


def server_of(kubeconfig: str) -> str:
    """Return the address of the API server that ``kubeconfig``'s current context names.

    Raises:
        RefusalError: it is no kubeconfig with a usable current context.
    """
    words = "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- {0}"
    try:
        parsed = cast("object", yaml.safe_load(kubeconfig))
    except yaml.YAMLError as error:
        raise RefusalError(words.format("yaml: cannot unmarshal")) from error
    if not isinstance(parsed, dict):
        raise RefusalError(words.format("no configuration has been provided"))
    config = cast("dict[str, object]", parsed)
    context = _named(config, "contexts", str(config.get("current-context")), "context")
    cluster = _named(config, "clusters", str(context.get("cluster")), "cluster")
    _named(config, "users", str(context.get("user")), "user")
    server = str(cluster.get("server", ""))
    if not urlparse(server).netloc:
        raise RefusalError(words.format("invalid configuration: no server found for cluster"))
    return server


def _named(config: dict[str, object], kind: str, name: str, inside: str) -> dict[str, object]:
    entries = config.get(kind)
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            found = cast("dict[str, object]", entry)
            if found.get("name") == name:
                value = found.get(inside)
                return cast("dict[str, object]", value) if isinstance(value, dict) else {}
    raise RefusalError(
        "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- "
        f'invalid configuration: {inside} "{name}" does not exist'
    )
