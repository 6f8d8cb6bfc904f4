"""SSH at the public address of a server that is administered by another way: open for a while.

A new server can be reached by its public address only, and so can one whose other way is to be
changed. What goes by it opens the door before; the other way's proof shuts it after. Both are
hooks, because the engine does one thing to a resource in a run: what a run opens, no resource of
the same run can close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi

from ampere_infra.machines.hetzner.cloud import CloudError
from ampere_infra.machines.hetzner.leftovers import before

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi_hcloud as hcloud

    from ampere_infra.machines.hetzner.cloud import Cloud

DONE_BEFORE: Final = ("(firewall_already_applied)", "(firewall_already_removed)")
"""https://docs.hetzner.cloud/reference/cloud#firewall-actions"""


@dataclass(frozen=True)
class Door:
    """A firewall that lets administrators in while it is applied to a server."""

    cloud: Cloud
    firewall: hcloud.Firewall
    name: str
    """The firewall's at Hetzner."""

    def opening(self, server: str) -> pulumi.ResourceHookBinding:
        """Open the door of ``server`` before something that goes by it is made or changed."""

        def act(_: Mapping[str, Any]) -> None:
            self._act(server, "apply_to")

        hook = before(f"{server}-open-door", act)
        return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])

    def shut(
        self,
        server: str,
        went_by: Sequence[pulumi.Output[Any]],
        opts: pulumi.ResourceOptions,
    ) -> pulumi.Stash:
        """Shut the door of ``server`` as a resource, again whenever something went by it.

        Args:
            server: its name.
            went_by: another value of one of them means that the door was opened.
            opts: the parent, and what has to answer before.
        """

        def act(_: Mapping[str, Any]) -> None:
            self._act(server, "remove_from")

        own = pulumi.ResourceOptions(
            replace_on_changes=["input"],
            hooks=pulumi.ResourceHookBinding(before_create=[before(f"{server}-shut-door", act)]),
        )
        return pulumi.Stash(
            f"{server}-door-shut",
            input=pulumi.Output.all(*went_by),
            opts=pulumi.ResourceOptions.merge(opts, own),
        )

    def _act(self, server: str, verb: str) -> None:
        found, wall = self.cloud.named("servers", server), self.cloud.named("firewalls", self.name)
        if found is None or wall is None:
            return
        body = {verb: [{"type": "server", "server": {"id": found["id"]}}]}
        try:
            self.cloud.act("POST", f"firewalls/{wall['id']}/actions/{verb}_resources", body)
        except CloudError as error:
            if not str(error.args[0]).endswith(DONE_BEFORE):
                raise
