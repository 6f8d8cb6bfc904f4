"""Whether a server type is to be had, asked before one is ordered, and what else would fit."""

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
    """Look before a server is created, in a preview too."""

    async def look(_args: pulumi.ResourceHookArgs) -> None:
        problem = await asyncio.to_thread(refusal, cloud, wanted, location, prices)
        if problem:
            raise pulumi.RunError(f"{name}: {problem}")

    return pulumi.ResourceHook(f"{name}-stock", look, pulumi.ResourceHookOptions(on_dry_run=True))


def refusal(cloud: Cloud, wanted: str, location: str, prices: Prices) -> str | None:
    """Return why no ``wanted`` can be had at ``location``, with what else can; or nothing.

    https://docs.hetzner.cloud/reference/cloud#server-types: ``locations`` of a type tell where it
    is given out, whether it is sold out there, and since when it is not given out any more.
    """
    kind = cloud.named("server_types", wanted)
    if kind is None:
        return f"Hetzner has no server type {wanted}; {_instead(cloud, wanted, location, prices)}"
    here = next((one for one in kind["locations"] if one["name"] == location), None)
    why = _why(here)
    if why is None:
        return None
    return f"{wanted} {why} at {location}; {_instead(cloud, wanted, location, prices)}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _why(here: Thing | None) -> str | None:
    if here is None:
        return "is not given out"
    deprecation: Thing = here.get("deprecation") or {}
    if deprecation.get("unavailable_after", _NEVER) <= _now():
        return "was retired"
    return None if here.get("available", True) else "is sold out"


def _instead(cloud: Cloud, wanted: str, location: str, prices: Prices) -> str:
    row = found(prices, wanted)
    rows = [
        other
        for other in (others(prices, row, location) if row else [])
        if (kind := cloud.named("server_types", other.type)) is not None
        and _why(next((p for p in kind["locations"] if p["name"] == location), None)) is None
    ]
    return f"these would fit: {told(rows)}" if rows else "choose another location"
