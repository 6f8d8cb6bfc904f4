"""The operator's plugin that puts backups and the write-ahead log into an object store.

CloudNativePG 1.30 still takes ``barmanObjectStore`` in a Cluster, but has deprecated it since 1.26
and wants barman's programs in PostgreSQL's image, where the ``minimal`` images that we run have
none. The plugin brings them in a container of its own, beside each instance.
https://cloudnative-pg.io/plugin-barman-cloud/docs/migration/

Operator and plugin know each other by two certificates, which the plugin's chart has cert-manager
make. The home cluster has no other use for that, and these are pinned, not issued: the operator
trusts this very server, the plugin this very client. So the program makes them, like the cluster's
other keys, and three Deployments less run on small workers. The plugin reads them when it starts;
its pod is replaced when they change.
https://cloudnative-pg.io/documentation/current/cnpg_i/#configuring-tls-certificates
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_tls as tls

from ampere_infra.bootstrap.pki import CA_YEARS, HOURS_PER_YEAR, PRIVATE
from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.platform.release import ReleaseArgs, UpstreamChart, helm_release
from ampere_infra.settings.namespaces import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.platform.namespace import Namespace
    from ampere_infra.platform.target import Target

REPOSITORY = "https://cloudnative-pg.github.io/charts"
SERVICE: Final = "barman-cloud"
"""The plugin's Service, by whose name the operator calls it."""
ENDS: Final = {"server": "server_auth", "client": "client_auth"}


@dataclass(frozen=True)
class BarmanCloudArgs:
    """The plugin, which must be in the operator's namespace."""

    target: Target
    version: str
    """The chart's."""
    namespace: Namespace


class BarmanCloud(pulumi.ComponentResource):
    """The plugin with both certificates."""

    release: pulumi.Resource

    def __init__(
        self,
        name: str,
        args: BarmanCloudArgs,
        gates: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ampere:services:BarmanCloud", name, None, opts)
        pairs = [self._pair(end, args) for end in ENDS]
        # The chart knows the Secrets by fixed names; with theirs, it waits for them.
        known = pulumi.Output.all(*((pair.name, pair.revision) for pair in pairs))
        self.release = helm_release(
            args.target,
            ReleaseArgs(
                name="plugin-barman-cloud",
                namespace=OPERATOR,
                chart=UpstreamChart(REPOSITORY, "plugin-barman-cloud", args.version),
                values=values(known.apply(lambda facts: "-".join(fact[1] for fact in facts))),
            ),
            self,
            [args.namespace, *gates],
        )
        self.register_outputs({})

    def _pair(self, end: str, args: BarmanCloudArgs) -> Credentials:
        name = f"{SERVICE}-{end}"
        key = tls.PrivateKey(
            f"{name}-key",
            algorithm="ECDSA",
            ecdsa_curve="P256",
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=list(PRIVATE)),
        )
        private = pulumi.Output.secret(key.private_key_pem)
        certificate = tls.SelfSignedCert(
            name,
            private_key_pem=private,
            allowed_uses=["digital_signature", ENDS[end]],
            dns_names=[SERVICE],
            validity_period_hours=CA_YEARS * HOURS_PER_YEAR,
            subject={"common_name": name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return credentials(
            CredentialsArgs(
                name=f"{name}-tls",
                namespace=args.namespace.ready_name,
                values={"tls.crt": certificate.cert_pem, "tls.key": private},
                target=args.target,
                kind="kubernetes.io/tls",
            ),
            self,
        )


def values(revision: pulumi.Input[str]) -> dict[str, Any]:
    """Return the values of the plugin's chart; another ``revision`` is another pod."""
    return {
        "replicaCount": 1,
        "crds": {"create": True},
        "certificate": {
            "createIssuer": False,
            "createServerCertificate": False,
            "createClientCertificate": False,
        },
        "podLabels": {"ampere/certificates": revision},
        "resources": {
            "requests": {"cpu": "20m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
    }
