"""What a killed run left at Hetzner goes just before the same thing is made again.

The provider takes nothing over: a name that is in use is refused for ever. Everything is labelled
with a mark that is drawn once and kept in the stack's state. What carries the name and the mark,
while the state does not know it, is a run's leftover and nobody uses it. What carries another mark
belongs to somebody else, or to a state that was lost, and is never touched.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import pulumi

from ampere_infra.machines.hetzner.cloud import PATIENCE_SECONDS, POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ampere_infra.machines.hetzner.cloud import Cloud, Thing

MARK: Final = "ampere-state"
"""The label with the mark."""


def hook(
    cloud: Cloud, name: str, kind: str, *more: pulumi.ResourceHook
) -> pulumi.ResourceHookBinding:
    """Clear away a leftover ``kind``, such as ``servers``, before one is created.

    Args:
        cloud: the project.
        name: of the resource in the stack.
        kind: what Hetzner's API calls its kind.
        more: what else is looked at before, and before it is changed.
    """

    def clear(wanted: Mapping[str, Any]) -> None:
        found = cloud.named(kind, wanted["name"])
        if found is not None:
            remove(cloud, kind, found, wanted["labels"][MARK])

    return pulumi.ResourceHookBinding(
        before_create=[*more, before(f"{name}-clear", clear)], before_update=[*more]
    )


def subnet_hook(cloud: Cloud, name: str) -> pulumi.ResourceHookBinding:
    """Clear away a subnet of our network that a killed run left."""

    def clear(wanted: Mapping[str, Any]) -> None:
        path = f"networks/{int(wanted['networkId'])}"
        network: Thing = cloud.get(path).get("network") or {"subnets": []}
        there: list[Thing] = network["subnets"]
        if any(one["ip_range"] == wanted["ipRange"] for one in there):
            body = {"ip_range": wanted["ipRange"]}
            cloud.act("POST", f"{path}/actions/delete_subnet", body)

    return pulumi.ResourceHookBinding(before_create=[before(f"{name}-clear", clear)])


def record_hook(cloud: Cloud, name: str) -> pulumi.ResourceHookBinding:
    """Clear away records of ours that a killed run left."""

    def clear(wanted: Mapping[str, Any]) -> None:
        path = f"zones/{wanted['zone']}/rrsets/{wanted['name']}/{wanted['type']}"
        found: Thing = cloud.get(path).get("rrset") or {}
        if found and found["labels"].get(MARK) == wanted["labels"][MARK]:
            cloud.act("DELETE", path)

    return pulumi.ResourceHookBinding(before_create=[before(f"{name}-clear", clear)])


def before(name: str, act: Callable[[Mapping[str, Any]], None]) -> pulumi.ResourceHook:
    """Return a hook that gives ``act`` the resource's inputs, never in a preview."""

    async def run(args: pulumi.ResourceHookArgs) -> None:
        await asyncio.to_thread(act, args.new_inputs or {})

    return pulumi.ResourceHook(name, run)


def remove(cloud: Cloud, kind: str, found: Thing, mark: str) -> None:
    """Delete ``found``, if it carries ``mark``, and wait until its name is free.

    Raises:
        pulumi.RunError: it is not ours.
        CloudError: Hetzner refuses.
    """
    path, name = f"{kind}/{found['id']}", found["name"]
    if found["labels"].get(MARK) != mark:
        raise pulumi.RunError(
            f"{name} is in use among the {kind} of this Hetzner project, by something that this "
            "stack did not make, or made with a state that is lost: rename or delete it there"
        )
    protection: Thing = found.get("protection") or {}
    if any(protection.values()):
        body = dict.fromkeys(protection, False)
        cloud.act("POST", f"{path}/actions/change_protection", body)
    cloud.act("DELETE", path)
    began = time.monotonic()
    while cloud.named(kind, name) and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(POLL_SECONDS)
