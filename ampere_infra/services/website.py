"""The website, open to everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.gateway_objects import limits
from ampere_infra.platform.outputs import after
from ampere_infra.platform.routes import PUBLIC, Route, Rule
from ampere_infra.services import workload
from ampere_infra.settings.namespaces import WEBSITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.platform.gateway_objects import Site
    from ampere_infra.platform.target import Target
    from ampere_infra.services.workload import Registry
    from ampere_infra.settings.edge import Gateway
    from ampere_infra.settings.edge import Website as WebsiteSettings


@dataclass(frozen=True)
class WebsiteArgs:
    """The website."""

    target: Target
    settings: WebsiteSettings
    gateway: Gateway
    """The limits that its requests have."""
    site: Site
    """Its name at the gateway; the site's namespace is the release's."""
    registry: Registry
    attached: Sequence[pulumi.Resource]
    """What routes come after: the PublicGateway."""


class Website(pulumi.ComponentResource):
    """The release and its route."""

    url: pulumi.Output[str]
    release: pulumi.Resource

    def __init__(
        self, name: str, args: WebsiteArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:Website", name, None, opts)
        content = workload.WorkloadArgs(WEBSITE, args.target, args.settings, args.registry)
        home = workload.namespace(content, self)
        self.release = workload.release(content, home, self)
        wanted = route(args.settings, args.gateway, args.site)
        gates = [home, self.release, *args.attached]
        parts = workload.publish(wanted, args.target, self, gates)
        self.url = after(f"https://{args.settings.domain}", *parts)
        self.register_outputs({"url": self.url})


def route(settings: WebsiteSettings, gateway: Gateway, site: Site) -> Route:
    """Return the website's route."""
    rule = Rule("public", PUBLIC, backend=(WEBSITE, workload.SERVICE_PORT))
    names = (settings.domain,)
    return Route(WEBSITE, WEBSITE, site.listener, (rule,), names, limits(gateway))
