"""The server in the price table: what it has, what it costs, and what else would do."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.hetzner import Prices, ServerPrice

_CENT = Decimal("0.01")
_OTHERS = 4
"""How many alternatives a person wants to read."""


def found(prices: Prices, name: str) -> ServerPrice | None:
    """Return the row of the server type ``name``."""
    return next((row for row in prices.servers if row.type == name), None)


def others(prices: Prices, like: ServerPrice, location: str) -> list[ServerPrice]:
    """Return what is to be had at ``location`` with as much of everything, the cheapest first."""
    fitting = (
        row
        for row in prices.servers
        if row.type != like.type
        and not row.retired
        and location in row.locations
        and row.cores >= like.cores
        and row.memory >= like.memory
        and row.disk >= like.disk
    )
    return sorted(fitting, key=lambda row: row.monthly)[:_OTHERS]


def told(rows: Iterable[ServerPrice]) -> str:
    """Return server types for a message, each with its price."""
    return ", ".join(f"{row.type} ({row.monthly} EUR)" for row in rows)


def monthly(settings: ApiSettings) -> dict[str, str]:
    """Return what the plan costs each month, in EUR without VAT, by item, the sum last."""
    row = found(settings.prices, settings.server.type)
    server = row.monthly if row else Decimal(0)
    share = settings.prices.backups_percent if settings.server.backups else 0
    items = {
        f"server {settings.server.type}": server,
        "primary IPv4": settings.prices.primary_ipv4,
        "primary IPv6": Decimal(0),
        "backups": (server * share / 100).quantize(_CENT, ROUND_HALF_UP),
    }
    costs = {name: cost for name, cost in items.items() if cost}
    return {
        name: f"{cost.quantize(_CENT)} EUR"
        for name, cost in {**costs, "total": sum(costs.values(), Decimal(0))}.items()
    }
