"""Whether a server type is to be had, asked before it is ordered, and what else would fit."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pulumi

from ampere_infra.settings.plan import found, others, told

if TYPE_CHECKING:
    from ampere_infra.machines.hetzner.cloud import Cloud, Thing
    from ampere_infra.settings.hetzner import Prices

_NEVER: Final = "9999"


def hook(
    cloud: Cloud, name: str, wanted: str, location: str, prices: Prices
) -> pulumi.ResourceHook:
    """Look before a server is created or gets another type, in a preview too."""

    async def look(args: pulumi.ResourceHookArgs) -> None:
        if (args.old_inputs or {}).get("serverType") == wanted:
            return
        disk = int((args.old_outputs or {}).get("primaryDiskSize") or 0)
        problem = await asyncio.to_thread(refusal, cloud, wanted, location, prices, disk)
        if problem:
            raise pulumi.RunError(f"{name}: {problem}")

    return pulumi.ResourceHook(f"{name}-stock", look, pulumi.ResourceHookOptions(on_dry_run=True))


def refusal(cloud: Cloud, wanted: str, location: str, prices: Prices, disk: int = 0) -> str | None:
    """Return why no ``wanted`` can be had at ``location``, with what else can; or nothing.

    https://docs.hetzner.cloud/reference/cloud#server-types: ``locations`` of a type tell where it
    is given out, whether it is sold out there, and since when it is not given out any more. A
    server that is there has a ``disk`` of so many GB, and no disk shrinks: Hetzner would refuse
    when the server is off already, and leave it off.
    """
    kind = cloud.named("server_types", wanted)
    if kind is None:
        return f"Hetzner has no server type {wanted}; {_instead(cloud, wanted, location, prices)}"
    here = next((one for one in kind["locations"] if one["name"] == location), None)
    why = _why(here)
    if why is not None:
        return f"{wanted} {why} at {location}; {_instead(cloud, wanted, location, prices)}"
    if kind["disk"] < disk:
        small = f"{wanted} has a disk of {kind['disk']} GB, the server's has {disk} and cannot"
        return f"{small} shrink; {_instead(cloud, wanted, location, prices, disk)}"
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _why(here: Thing | None) -> str | None:
    if here is None:
        return "is not given out"
    deprecation: Thing = here.get("deprecation") or {}
    if deprecation.get("unavailable_after", _NEVER) <= _now():
        return "was retired"
    return None if here.get("available", True) else "is sold out"


def _instead(cloud: Cloud, wanted: str, location: str, prices: Prices, disk: int = 0) -> str:
    row = found(prices, wanted)
    rows = [
        other
        for other in (others(prices, row, location) if row else [])
        if (kind := cloud.named("server_types", other.type)) is not None
        and kind["disk"] >= disk
        and _why(next((p for p in kind["locations"] if p["name"] == location), None)) is None
    ]
    return f"these would fit: {told(rows)}" if rows else "choose another location"
