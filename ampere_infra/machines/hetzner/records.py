"""The public names' records: set where Hetzner has the zone, else told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_hcloud as hcloud

from ampere_infra.machines.hetzner import leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.machines.hetzner.site import HetznerSite

KIND: Final = "A"
APEX: Final = "@"
"""The zone itself (https://docs.hetzner.cloud/reference/cloud#zone-rrsets)."""


@dataclass(frozen=True)
class RecordsArgs:
    """The names, and who answers for them."""

    site: HetznerSite
    domains: Sequence[str]
    zone: str | None
    ttl: int


class Records(pulumi.ComponentResource):
    """An A record for each name; no AAAA, because the cluster's Services are IPv4."""

    wanted: dict[str, pulumi.Output[str]]
    """What has to be in the DNS: ``NAME A`` to the value."""

    def __init__(
        self, name: str, args: RecordsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:machines:Records", name, None, opts)
        self._args = args
        address = args.site.ipv4.ip_address
        self.wanted = {f"{domain} {KIND}": address for domain in args.domains}
        if args.zone is not None:
            for domain in args.domains:
                self._record(args.zone, domain, address)
        self.register_outputs({})

    def _record(self, zone: str, domain: str, value: pulumi.Output[str]) -> None:
        site, name = self._args.site, f"{domain}-{KIND.lower()}"
        hcloud.ZoneRrset(
            name,
            zone=zone,
            name=domain.removesuffix(zone).removesuffix(".") or APEX,
            type=KIND,
            ttl=self._args.ttl,
            records=[hcloud.ZoneRrsetRecordArgs(value=value)],
            labels=site.labels,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=site.provider,
                delete_before_replace=True,
                hooks=leftovers.record_hook(site.args.cloud, name),
            ),
        )
