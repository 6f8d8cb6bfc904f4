"""``ampere check``: judge a stack's settings without the engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ampere_infra.services.chart_values import judge
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.foundation import FoundationSettings
from ampere_infra.settings.load import model_of, parse, read_stack_file, stack_file
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.plan import found, monthly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ampere_infra.settings.home import HomeSettings, MachineSize
    from ampere_infra.settings.load import Settings

FINE, WRONG_INPUT = 0, 2


def check(stack: str, config_file: Path | None = None) -> int:
    """Print what ``stack`` is, or to stderr every mistake in its settings and what is made of them.

    ``config_file`` is read in place of ``Pulumi.<stack>.yaml``. Returns the exit code: 0 when the
    settings can be planned from, 2 when they cannot.
    """
    path = config_file or stack_file(stack)
    try:
        model_of(stack)
        settings = parse(stack, read_stack_file(path))
        judge(settings)
    except SettingsError as error:
        count = len(error.mistakes)
        noun = "mistake" if count == 1 else "mistakes"
        sys.stderr.write(f"{error}\n{count} {noun} in the settings of {stack}\n")
        return WRONG_INPUT
    sys.stdout.write("\n".join(summary(stack, settings)) + "\n")
    return FINE


def summary(stack: str, settings: Settings) -> Iterator[str]:
    """Yield lines that say what ``stack`` is."""
    if isinstance(settings, FoundationSettings):
        return _foundation(stack, settings)
    if isinstance(settings, ApiSettings):
        return _api(stack, settings)
    return _home(stack, settings)


def _foundation(stack: str, s: FoundationSettings) -> Iterator[str]:
    azure, key, state, github = s.azure, s.key, s.state, s.github
    yield f"{stack}: resource group {azure.resource_group} in {azure.location}"
    yield f"  tenant    {azure.tenant_id}, subscription {azure.subscription_id}"
    yield f"  key       https://{s.vault.name}.vault.azure.net/keys/{key.name}, RSA {key.bits}"
    yield f"  state     azblob://{state.container}?storage_account={state.account}"
    yield "who gets in"
    yield from (f"  developer {person}" for person in s.developers.object_ids)
    yield from (f"  {github.repository}, branch {name}" for name in github.branches)
    yield from (f"  {github.repository}, environment {name}" for name in github.environments)
    if github.pull_requests:
        yield f"  {github.repository}, pull requests, without changing the state"


def _api(stack: str, s: ApiSettings) -> Iterator[str]:
    server, row = s.server, found(s.prices, s.server.type)
    size = f"{row.cores} vCPU, {row.memory} memory, {row.disk} disk" if row else ""
    yield f"{stack}: cluster {s.cluster.name} on {server.name} at Hetzner, {server.location}"
    yield f"  server    {server.type}: {size}, {server.distribution}"
    yield f"  private   {s.network.address} in {s.network.subnet}, of {s.network.range}"
    yield f"  inside    pods {s.cluster.pod_network}, services {s.cluster.service_network}"
    yield "who administers it"
    admins = ", ".join(str(network) for network in s.access.admins)
    until = ", until the tailnet answers" if s.tailscale.enabled else ""
    yield f"  public    {admins}{until}"
    if s.tailscale.enabled:
        yield f"  tailnet   {server.name}.{s.tailscale.tailnet}, {', '.join(s.tailscale.tags)}"
    yield "a month, without VAT"
    yield from _columns(monthly(s))
    yield "versions"
    yield from _columns(s.versions.model_dump())
    yield "public names"
    yield from _columns({"api": s.api.domain, "website": s.website.domain})


def _home(stack: str, s: HomeSettings) -> Iterator[str]:
    behind = "behind NAT" if s.network.mode == "nat" else f"on the bridge {s.network.bridge}"
    yield f"{stack}: cluster {s.cluster.name} on {s.host.user}@{s.host.name} ({s.host.address})"
    yield f"  nodes     {s.network.subnet} {behind}, gateway {s.network.gateway}"
    yield f"  inside    pods {s.cluster.pod_network}, services {s.cluster.service_network}"
    yield f"  API       https://{s.api_endpoint}:6443"
    yield "machines"
    yield from _machines((s.control_plane, *s.workers.machines))
    yield "versions"
    yield from _columns(s.versions.model_dump())
    yield f"services on {s.host.address}"
    yield from _columns(s.services.domains.model_dump())


def _machines(machines: tuple[MachineSize, ...]) -> Iterator[str]:
    width = max(len(machine.name) for machine in machines)
    for m in machines:
        yield (
            f"  {m.name:<{width}}  {m.address!s:<15}  {m.vcpu:>2} vCPU  {m.memory!s:>6} memory"
            f"  {m.root_disk!s:>6} root  {m.data_disk!s:>6} data"
        )


def _columns(values: dict[str, str]) -> Iterator[str]:
    width = max(map(len, values))
    for name, value in values.items():
        yield f"  {name:<{width}}  {value}"
