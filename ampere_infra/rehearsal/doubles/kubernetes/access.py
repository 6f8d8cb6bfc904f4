"""Whether the API server can be reached, and whether it lets the provider in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.command.members import API_NAME
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.kubernetes.kubeconfig import Kubeconfig, read
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hosts import Hosts
from ampere_infra.rehearsal.places.machines import Machines

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.rehearsal.places.machines import Booted
    from ampere_infra.rehearsal.world import World

_FAILED = (
    'unable to load schema information from the API server: Get "{0}/openapi/v2?timeout=32s": {1}'
)
_FLAGS = ("enableSecretMutable", "enableConfigMapMutable", "upsertExistingObjects")


class Access:
    """The provider's way to a cluster."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cluster = world.part(Cluster)
        self.machines = Machines(world)
        self.hosts = world.part(Hosts)
        self.kubeconfig = Kubeconfig()
        self.unreachable = ""
        """Why the cluster could not be reached when the provider was configured, if so."""
        self.flags: dict[str, bool] = {}

    def configure(self, config: Properties) -> None:
        """Take the provider's settings; an unusable kubeconfig shows with the first operation."""
        self.flags = {flag: config.get(flag) in (True, "true") for flag in _FLAGS}
        self.unreachable = ""
        try:
            self.kubeconfig = read(str(config.get("kubeconfig") or ""))
        except RefusalError as error:
            self.unreachable = str(error)
        else:
            self.unreachable = self._refusal()

    @property
    def is_closed(self) -> bool:
        """Whether the API server does not serve the client."""
        return bool(self.unreachable or self._refusal())

    def must(self, words: str) -> None:
        """Raise unless the API server answers and lets the client in."""
        why = self.unreachable or self._refusal()
        if why:
            raise RefusalError(words.format(why))

    def _refusal(self) -> str:
        """Return why the API server does not serve the client, or nothing.

        Where no machine is part of the rehearsal, the cluster is somebody else's and answers.
        """
        if not self.machines.any:
            return ""
        master = self.machines.named(self.cluster.control_plane)
        if master is None or not master.running or not self._leads_to(master):
            why = f"dial tcp {self.kubeconfig.endpoint}: connect: connection refused"
        else:
            why = self._mistrust(master)
        return _FAILED.format(self.kubeconfig.server, why) if why else ""

    def _leads_to(self, master: Booted) -> bool:
        """Tell whether the kubeconfig's address is the machine's, or a front's that passes on."""
        address, _, port = self.kubeconfig.endpoint.partition(":")
        own = self.machines.addresses(master)
        if address in own:
            return not self.machines.refusal(master, address, int(port), proxied=True)
        front = self.hosts.files.get(address)
        if front is None:
            # A front that somebody else looks after is none of the rehearsal's business.
            return not self.hosts.files
        return any(f"{a}:" in text and f"{port}" in text for a in own for text in front.values())

    def _mistrust(self, master: Booted) -> str:
        address = self.kubeconfig.endpoint.partition(":")[0]
        if not self.kubeconfig.trusts(master.marks.get("CA", "")):
            return (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            )
        born_for = address in (master.born_of.user_data if master.born_of else "")
        if not born_for and f"{API_NAME}{address}" not in master.marks:
            return (
                f"tls: failed to verify certificate: x509: certificate is not valid for {address}"
            )
        if not self.kubeconfig.lets_in(self.world.now):
            return "the server has asked for the client to provide credentials"
        return ""
