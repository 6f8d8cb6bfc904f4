"""``tls:index/privateKey:PrivateKey``."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pulumi_tls import PrivateKeyArgs

from ampere_infra.rehearsal.doubles.bridged import Bridged, Rules, state
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, Value, number, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

Key: TypeAlias = "rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey"

_CURVES: dict[str, ec.EllipticCurve] = {
    "P224": ec.SECP224R1(),
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
_ALGORITHMS = ("RSA", "ECDSA", "ED25519")
PUBLIC_OUTPUTS = frozenset(
    {"publicKeyPem", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"}
)
PRIVATE_OUTPUTS = frozenset({"privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"})


class PrivateKeyKind(Bridged):
    """A private key."""

    arguments = PrivateKeyArgs
    secret = PRIVATE_OUTPUTS
    rules = Rules(
        force_new=frozenset({"algorithm", "rsaBits", "ecdsaCurve"}),
        computed=PUBLIC_OUTPUTS | PRIVATE_OUTPUTS,
        defaults={"rsaBits": 2048, "ecdsaCurve": "P224"},
    )

    def __init__(self, world: World) -> None:
        self.world = world

    def validate(self, call: Call) -> list[Failure]:
        """Refuse what no key can be made with."""
        allowed = {"algorithm": _ALGORITHMS, "ecdsaCurve": tuple(_CURVES)}
        return [
            Failure(
                f"Invalid Attribute Value Match. Attribute {key} value must be one of: "
                f"{list(values)}, got: {text(call.inputs, key)!r}",
                key,
            )
            for key, values in allowed.items()
            if text(call.inputs, key) and text(call.inputs, key) not in values
        ]

    def create(self, call: Call) -> Made:
        """Make the key."""
        inputs = self.whole(call.inputs)
        key = _generate(inputs)
        halves = _private(key)
        for secret in halves.values():
            self.world.guard(str(secret))
        outputs = state(inputs, **halves, **public(key))
        return Made(hashlib.sha1(_der(key), usedforsecurity=False).hexdigest(), outputs)


def load(pem: str) -> Key:
    """Return the key that ``pem`` holds.

    Raises:
        RefusalError: it is no private key.
    """
    loader = load_ssh_private_key if "OPENSSH" in pem else load_pem_private_key
    try:
        key = loader(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RefusalError("Failed to decode PEM block: no PEM block found") from error
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise RefusalError(f"Unsupported private key type: {type(key).__name__}")


def algorithm(key: Key) -> str:
    """Return the provider's name of the key's algorithm."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def public(key: Key) -> dict[str, Value]:
    """Return the outputs that tell of the public half."""
    half = key.public_key()
    pem = half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1):
        return {**dict.fromkeys(PUBLIC_OUTPUTS, ""), "publicKeyPem": pem}
    line = half.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(line.split()[1])
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        "publicKeyPem": pem,
        "publicKeyOpenssh": f"{line}\n",
        "publicKeyFingerprintMd5": ":".join(md5[n : n + 2] for n in range(0, len(md5), 2)),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
    }


def _private(key: Key) -> dict[str, Value]:
    is_ed25519 = isinstance(key, ed25519.Ed25519PrivateKey)
    classic = PrivateFormat.PKCS8 if is_ed25519 else PrivateFormat.TraditionalOpenSSL
    is_p224 = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1)
    return {
        "privateKeyPem": _pem(key, classic),
        "privateKeyPemPkcs8": _pem(key, PrivateFormat.PKCS8),
        "privateKeyOpenssh": "" if is_p224 else _pem(key, PrivateFormat.OpenSSH),
    }


def _generate(inputs: Properties) -> Key:
    match text(inputs, "algorithm"):
        case "RSA":
            return rsa.generate_private_key(65537, number(inputs, "rsaBits") or 2048)
        case "ECDSA":
            return ec.generate_private_key(_CURVES[text(inputs, "ecdsaCurve")])
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def _pem(key: Key, format_: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, format_, NoEncryption()).decode()


def _der(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
