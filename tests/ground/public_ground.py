"""The proving ground of the api stack: a data center of Hetzner's, as a server notices it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ampere_infra.settings.load import parse
from tests.ground import public
from tests.ground.datacenter import INTERNET, Datacenter
from tests.ground.ground import Ground

if TYPE_CHECKING:
    from ampere_infra.rehearsal.reality import Reality
    from ampere_infra.settings.api import ApiSettings


class PublicGround(Ground):
    """A data center, and the stack ``api`` that the engine makes there."""

    stack = "api"
    addresses = public.ADDRESSES
    time_server = INTERNET
    mirror_port = public.MIRROR_PORT

    @override
    def configure(self) -> dict[str, Any]:
        return public.settings(self.mirror.kubernetes_key, self.mirror.containerd_key)

    @property
    @override
    def settings(self) -> ApiSettings:
        return parse("api", self.config)

    @override
    def furnish(self, reality: Reality) -> Reality:
        """Open the data center."""
        self.datacenter = Datacenter(self.host, self.image.path, reality)
        self.datacenter.open()
        return replace(reality, datacenter=self.datacenter)
