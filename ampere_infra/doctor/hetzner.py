"""What Hetzner says of the stack's token, and of what it is going to be asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ampere_infra.doctor.findings import Finding, bad, here, ok, unknown, warning
from ampere_infra.doctor.local import addresses_of
from ampere_infra.machines.hetzner.cloud import Cloud, CloudError
from ampere_infra.machines.hetzner.stock import refusal
from ampere_infra.settings.plan import found as row_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from ampere_infra.settings.api import ApiSettings

UNAUTHORIZED: Final = 401
CONSOLE: Final = "https://console.hetzner.cloud"
Prices = dict[str, Any]


def hetzner(s: ApiSettings, token: SecretStr) -> Iterator[Finding]:
    """Look through the project at Hetzner; nothing is changed there."""
    cloud = Cloud(token)
    try:
        prices: Prices = cloud.ask("GET", "pricing")["pricing"]
        yield ok("token", "it opens a project")
        yield _server_type(s, cloud)
        yield from _prices(s, prices)
        if s.dns.zone is not None:
            yield _zone(s.dns.zone, cloud)
        yield from _names(s, cloud)
    except CloudError as error:
        yield _refused(error)


def _refused(error: CloudError) -> Finding:
    text, status = error.args
    if status == UNAUTHORIZED:
        make = here(f"make one that reads and writes, at {CONSOLE}: Security, API tokens")
        write = here("uv run ampere secrets edit api: hcloud_token")
        return bad("token", f"Hetzner does not know it: {text}", make, write)
    if status is None:
        return unknown("Hetzner", f"no answer: {text}", here("see to this machine's network"))
    return unknown("Hetzner", str(text), here("try again later: https://status.hetzner.com"))


def _server_type(s: ApiSettings, cloud: Cloud) -> Finding:
    name, location = s.server.type, s.server.location
    if cloud.named("servers", s.server.name) is not None:
        return ok("server type", f"{s.server.name} is there")
    problem = refusal(cloud, name, location, s.prices)
    if problem is None:
        return ok("server type", f"{name} is to be had at {location}")
    return bad("server type", problem, here("change ampere:server in Pulumi.api.yaml"))


def _prices(s: ApiSettings, prices: Prices) -> Iterator[Finding]:
    """Compare what the plan is priced by with Hetzner's own list.

    https://docs.hetzner.cloud/reference/cloud#pricing: without VAT is ``net``.
    """
    location, row = s.server.location, row_of(s.prices, s.server.type)
    if row is not None:
        theirs = _monthly(prices["server_types"], "name", row.type, location)
        yield _price(f"price of {row.type}", "servers", row.monthly, theirs)
    address = _monthly(prices["primary_ips"], "type", "ipv4", location)
    yield _price("price of an IPv4", "primary_ipv4", s.prices.primary_ipv4, address)
    share = Decimal(prices["server_backup"]["percentage"])
    yield _price("backups, percent", "backups_percent", Decimal(s.prices.backups_percent), share)


def _monthly(rows: list[Prices], key: str, wanted: str, location: str) -> Decimal | None:
    each = [price for row in rows if row[key] == wanted for price in row["prices"]]
    nets = [one["price_monthly"]["net"] for one in each if one["location"] == location]
    return Decimal(nets[0]) if nets else None


def _price(check: str, setting: str, ours: Decimal, theirs: Decimal | None) -> Finding:
    if theirs is None:
        return unknown(check, "it is not in Hetzner's list")
    if round(theirs, 2) == ours:
        return ok(check, str(ours))
    found = f"{theirs:.2f} at Hetzner, {ours} in the settings, which the plan is priced by"
    return warning(check, found, here(f"change ampere:prices.{setting} in Pulumi.api.yaml"))


def _zone(zone: str, cloud: Cloud) -> Finding:
    if cloud.named("zones", zone) is not None:
        return ok("zone", f"{zone} is Hetzner's")
    found = f"there is no zone {zone} in this project"
    return bad("zone", found, here(f"make it at {CONSOLE}: DNS; or take ampere:dns.zone out"))


def _names(s: ApiSettings, cloud: Cloud) -> Iterator[Finding]:
    """The public names lead to the server, once it has an address."""
    given = cloud.named("primary_ips", f"{s.cluster.name}-ipv4")
    if given is None:
        return
    address, names = str(given["ip"]), (s.api.domain, s.website.domain)
    answers = addresses_of(names)
    for name in names:
        yield _name(name, address, answers.get(name))


def _name(name: str, address: str, told: tuple[str, ...] | None) -> Finding:
    if told is None:
        return unknown(name, "no answer in time", here("see to this machine's DNS"))
    if address in told:
        return ok(name, address)
    leads = f"leads to {', '.join(told)}" if told else "leads nowhere"
    record = here(f"set the record {name} A {address} where your zone is, and wait its TTL")
    return warning(name, f"{leads}, not to {address}", record)
