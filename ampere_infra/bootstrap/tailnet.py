"""A node's membership of a tailnet as resources, and the way to it that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi_command import remote

from ampere_infra.bootstrap import gates, packages
from ampere_infra.bootstrap.commands import on_node
from ampere_infra.bootstrap.units import STATE, TAILNET_PROGRAM
from ampere_infra.machines.machine import Machine

if TYPE_CHECKING:
    from ampere_infra.bootstrap.spec import Tailnet as TailnetSpec
    from ampere_infra.settings.cluster import Timeouts

PACKAGES_INSTALLED: Final = gates.Stage(
    marker="PACKAGES_INSTALLED",
    units=("ampere-os-ready.service", *gates.PREPARATION),
    result=f"{STATE}/PACKAGES_INSTALLED",
)
CLIENT_SECRET: Final = "tskey-client-"  # noqa: S105 - how one begins


@dataclass(frozen=True)
class Membership:
    """How a node joins."""

    tailnet: TailnetSpec
    distribution: str
    """A key of :data:`ampere_infra.bootstrap.packages.DISTRIBUTIONS`."""
    auth_key: pulumi.Output[str]
    """Secret."""
    tags: tuple[str, ...]
    ephemeral: bool
    timeout: int
    """Seconds."""


@dataclass(frozen=True)
class TailnetArgs:
    """A node, and whether it is to be a member."""

    machine: Machine
    """By its public address."""
    timeouts: Timeouts
    membership: Membership | None
    """None: the node leaves, if it is in a tailnet."""
    public_way: pulumi.ResourceHookBinding | None = None
    """Opens the public address to what has to go by it."""


class Tailnet(pulumi.ComponentResource):
    """A node that is in a tailnet or in none; ``machine`` is how it is reached from then on."""

    machine: Machine
    installed: remote.Command
    joined: remote.Command | None
    """The only one that the auth key is given to."""
    settled: remote.Command
    """As a member: run over the tailnet, so that it proves that the tailnet answers. When it is
    deleted, the node leaves as soon as it is shut down."""

    def __init__(
        self, name: str, args: TailnetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:bootstrap:Tailnet", name, None, opts)
        self._args = args
        self.machine = args.machine
        self.joined = None
        deadline = args.timeouts.operating_system + args.timeouts.control_plane
        self.installed = gates.gate(
            args.machine, PACKAGES_INSTALLED, deadline, self._by_public_way()
        )
        if args.membership is None:
            self.settled = self._leave()
        else:
            self.joined = self._join(args.membership)
            self.settled = self._answer(args.membership, self.joined)
        self.register_outputs({})

    def name_api(self, tailnet: TailnetSpec, after: pulumi.Resource) -> remote.Command:
        """Have the API's certificate name the node as the tailnet does."""
        return on_node(
            f"{self.machine.name}-api-name",
            self.machine,
            f"sudo -n {TAILNET_PROGRAM} certificate {tailnet.name}",
            pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )

    def _by_public_way(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, depends_on=list(after), hooks=self._args.public_way
        )

    def _leave(self) -> remote.Command:
        return on_node(
            f"{self.machine.name}-tailnet",
            self.machine,
            f"sudo -n {TAILNET_PROGRAM} leave",
            pulumi.ResourceOptions(parent=self, depends_on=[self.installed]),
        )

    def _join(self, wanted: Membership) -> remote.Command:
        given = wanted.auth_key.apply(lambda key: with_options(key, ephemeral=wanted.ephemeral))
        text = pulumi.Output.json_dumps(
            {**instructions(self.machine.name, wanted), "auth_key": given}
        )
        return on_node(
            f"{self.machine.name}-tailnet-join",
            self.machine,
            f"sudo -n {TAILNET_PROGRAM} join",
            self._by_public_way(self.installed),
            stdin=pulumi.Output.secret(text),
        )

    def _answer(self, wanted: Membership, joined: remote.Command) -> remote.Command:
        """Log in over the tailnet, with the host key that is known: it is this very node."""
        name = wanted.tailnet.name
        over = replace(self.machine, connection=_over(self.machine.connection, name))
        settled = on_node(
            f"{self.machine.name}-tailnet",
            over,
            f"sudo -n {TAILNET_PROGRAM} check {name}",
            pulumi.ResourceOptions(parent=self, depends_on=[joined]),
            # Not at once: that would cut off the connection that it is asked for by.
            delete=f"sudo -n {TAILNET_PROGRAM} leave-at-shutdown",
        )
        # By data: nobody goes there before it answers.
        answering = settled.id.apply(lambda _: name)
        self.machine = replace(self.machine, connection=_over(self.machine.connection, answering))
        return settled


def instructions(hostname: str, wanted: Membership) -> dict[str, Any]:
    """Return what the node is told beside its key: who it is to be, and where the package is."""
    tailnet = wanted.tailnet
    source = packages.tailscale_source(wanted.distribution, tailnet)
    return {
        "name": tailnet.name,
        "hostname": hostname,
        "tags": wanted.tags,
        "timeout": wanted.timeout,
        "version": tailnet.version,
        "files": dict([packages.source_file(source)]),
        "key": {
            "url": source.key_url,
            "fingerprint": source.fingerprint,
            "path": source.keyring,
        },
    }


def with_options(key: str, *, ephemeral: bool) -> str:
    """Return the key; the secret of an OAuth client says what the node is to be.

    https://tailscale.com/kb/1215/oauth-clients#register-new-nodes-using-oauth-credentials
    """
    if not key.startswith(CLIENT_SECRET):
        return key
    return f"{key}?ephemeral={str(ephemeral).lower()}&preauthorized=true"


def _over(connection: remote.ConnectionArgs, host: pulumi.Input[str]) -> remote.ConnectionArgs:
    return remote.ConnectionArgs(
        host=host,
        user=connection.user,
        private_key=connection.private_key,
        host_key=connection.host_key,
        dial_error_limit=connection.dial_error_limit,
        per_dial_timeout=connection.per_dial_timeout,
    )
