"""The double of pulumi-tls 5.6.2: real keys and certificates, and the real rules of renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.tls.certificates import (
    CertRequestKind,
    LocallySignedKind,
    SelfSignedKind,
)
from ampere_infra.rehearsal.doubles.tls.keys import PrivateKeyKind

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World


class TlsDouble(Double):
    """The provider."""

    package = "tls"
    version = "5.6.2"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.kinds = {
            "tls:index/privateKey:PrivateKey": PrivateKeyKind(world),
            "tls:index/selfSignedCert:SelfSignedCert": SelfSignedKind(world),
            "tls:index/certRequest:CertRequest": CertRequestKind(world),
            "tls:index/locallySignedCert:LocallySignedCert": LocallySignedKind(world),
        }


def double(world: World) -> Double:
    """Return the double of this package."""
    return TlsDouble(world)
