"""The cluster's identity, made by the program before there is a cluster.

kubeadm uses a CA that it finds, so its hash can be pinned in the workers' user-data and the
administrator's kubeconfig is known without logging in anywhere.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_random as random
import pulumi_tls as tls

from ampere_infra.bootstrap.api_server import encryption_config, encryption_key
from ampere_infra.bootstrap.kubeconfig import Login, kubeconfig

HOURS_PER_YEAR: Final = 8760
CA_YEARS: Final = 10
EARLY_RENEWAL_HOURS: Final = 30 * 24
ADMINISTRATORS: Final = "kubeadm:cluster-admins"
"""The group that ``kubeadm init`` binds to cluster-admin (kubeadm 1.29 and later)."""
ADMINISTRATOR: Final = "ampere-admin"
CA_USES: Final = ("digital_signature", "key_encipherment", "cert_signing", "crl_signing")
"""The key usages of the CA that kubeadm would have made."""
CLIENT_USES: Final = ("digital_signature", "key_encipherment", "client_auth")
PRIVATE: Final = ("private_key_pem", "private_key_openssh", "private_key_pem_pkcs8")


def spki_hash(public_key_pem: str) -> str:
    """Return a public key's pin as ``kubeadm join`` spells it: of its DER, SHA-256 in hex.

    Args:
        public_key_pem: a ``PUBLIC KEY`` block, which holds the SubjectPublicKeyInfo.

    Raises:
        ValueError: it is no such block.
    """
    lines = public_key_pem.strip().splitlines()
    if lines[:1] != ["-----BEGIN PUBLIC KEY-----"] or lines[-1] != "-----END PUBLIC KEY-----":
        raise ValueError("a public key begins with BEGIN PUBLIC KEY")
    return f"sha256:{hashlib.sha256(b64decode(''.join(lines[1:-1]))).hexdigest()}"


@dataclass(frozen=True)
class ClusterPkiArgs:
    """What the keys are made for."""

    cluster: str
    encryption_key: int = 1
    """Which key Secrets are encrypted with; those before it are kept, to open what is older."""
    protect: bool = False
    """Whether a destroy keeps what the control plane was made with: it takes no other CA, and no
    other keys open its Secrets."""


class ClusterPki(pulumi.ComponentResource):
    """The CA, the administrator's certificate, the program's SSH key, and the keys for Secrets."""

    ca_cert_pem: pulumi.Output[str]
    ca_key_pem: pulumi.Output[str]
    """Secret."""
    ca_hash: pulumi.Output[str]
    """What workers pin: ``sha256:...``. Public."""
    encryption: pulumi.Output[str]
    """The EncryptionConfiguration with the keys for the cluster's Secrets. Secret."""
    ssh_public_key: pulumi.Output[str]
    """As OpenSSH writes it. Public."""
    ssh_private_key: pulumi.Output[str]
    """As OpenSSH writes it. Secret."""

    def __init__(
        self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:bootstrap:ClusterPki", name, None, opts)
        self._args = args
        ca_key = self._key("ca", "ECDSA", protect=args.protect)
        self.ca_key_pem = pulumi.Output.secret(ca_key.private_key_pem)
        self.ca_cert_pem = self._ca().cert_pem
        self.ca_hash = ca_key.public_key_pem.apply(spki_hash)
        self._admin_key = self._key("admin", "ECDSA", protect=False)
        self._admin = self._administrator(self._admin_key)
        self.encryption = self._encryption(args.encryption_key)
        self.node_key = self._key("node", "ED25519", protect=args.protect)
        self.ssh_public_key = self.node_key.public_key_openssh
        self.ssh_private_key = pulumi.Output.secret(self.node_key.private_key_openssh)
        self.register_outputs({"ca_hash": self.ca_hash, "ssh_public_key": self.ssh_public_key})

    def kubeconfig(self, name: str, server: pulumi.Input[str]) -> pulumi.Output[str]:
        """Return the administrator's kubeconfig, a secret.

        Args:
            name: of its cluster and context.
            server: the API as whoever uses it reaches it, ``https://ADDRESS:PORT``.
        """
        parts = (self.ca_cert_pem, self._admin.cert_pem, self._admin_key.private_key_pem, server)
        text = pulumi.Output.all(*parts).apply(
            lambda p: kubeconfig(name, p[3], ADMINISTRATOR, Login(p[0], p[1], p[2]))
        )
        return pulumi.Output.secret(text)

    def _key(self, use: str, algorithm: str, *, protect: bool) -> tls.PrivateKey:
        return tls.PrivateKey(
            f"{self._args.cluster}-{use}-key",
            algorithm=algorithm,
            ecdsa_curve="P256" if algorithm == "ECDSA" else None,
            opts=pulumi.ResourceOptions(
                parent=self, protect=protect, additional_secret_outputs=list(PRIVATE)
            ),
        )

    def _encryption(self, newest: int) -> pulumi.Output[str]:
        drawn = [
            # Not RandomBytes, whose id, which is no secret to the engine, is what was drawn.
            random.RandomPassword(
                f"{self._args.cluster}-encryption-key-{number}",
                length=64,
                special=False,
                opts=pulumi.ResourceOptions(parent=self, protect=self._args.protect),
            ).result
            for number in range(1, newest + 1)
        ]
        keys = pulumi.Output.all(*drawn).apply(lambda texts: [encryption_key(t) for t in texts])
        return pulumi.Output.secret(keys.apply(encryption_config))

    def _ca(self) -> tls.SelfSignedCert:
        return tls.SelfSignedCert(
            f"{self._args.cluster}-ca",
            private_key_pem=self.ca_key_pem,
            is_ca_certificate=True,
            allowed_uses=list(CA_USES),
            set_subject_key_id=True,
            validity_period_hours=CA_YEARS * HOURS_PER_YEAR,
            subject={"common_name": self._args.cluster},
            opts=pulumi.ResourceOptions(parent=self, protect=self._args.protect),
        )

    def _administrator(self, key: tls.PrivateKey) -> tls.LocallySignedCert:
        request = tls.CertRequest(
            f"{self._args.cluster}-admin-request",
            private_key_pem=pulumi.Output.secret(key.private_key_pem),
            subject={"common_name": ADMINISTRATOR, "organization": ADMINISTRATORS},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return tls.LocallySignedCert(
            f"{self._args.cluster}-admin",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self.ca_key_pem,
            ca_cert_pem=self.ca_cert_pem,
            allowed_uses=list(CLIENT_USES),
            validity_period_hours=HOURS_PER_YEAR,
            early_renewal_hours=EARLY_RENEWAL_HOURS,
            opts=pulumi.ResourceOptions(parent=self),
        )
