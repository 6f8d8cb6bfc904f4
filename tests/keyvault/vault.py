"""Key Vaults: keys with versions, who may do what with them, and how they say no.

What they answer, word for word, is as quoted in issues of sops, Azure's SDKs and Terraform's
provider: `ForbiddenByRbac` (getsops/sops 1487), `KeyDisabled` and that a disabled key still
encrypts (azure-sdk-for-python 45342), `AKV10032` (azure-cli 11871).
"""

import base64
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGORITHM = "RSA-OAEP-256"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
KEY_DATA = "Microsoft.KeyVault/vaults/keys"
OPERATIONS = ("encrypt", "decrypt")
CRYPTO_USER = frozenset({"read", "encrypt/action", "decrypt/action"})
"""What of the role Key Vault Crypto User is asked for here."""


class RefusedError(Exception):
    """The service says no."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None):
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"code": code, "message": message}
        if inner:
            self.body["innererror"] = {"code": inner}


@dataclass(frozen=True)
class Identity:
    """Who asks: a user, a service or a machine of one tenant."""

    tenant: str
    object_id: str
    app_id: str

    @property
    def issuer(self):
        return f"https://sts.windows.net/{self.tenant}/"


@dataclass
class Version:
    """One version of a key."""

    key: rsa.RSAPrivateKey
    enabled: bool = True


def unwrapped(text: str) -> bytes:
    """Decode base64 for URLs as Azure writes it, without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def wrapped(data: bytes) -> str:
    """Encode as Azure does."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Vault:
    """One vault with RBAC."""

    name: str
    tenant: str
    keys: dict[str, dict[str, Version]] = field(default_factory=dict)
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    """What each identity, by its object ID, may do."""

    @property
    def host(self):
        return f"{self.name}.vault.azure.net"

    @property
    def url(self):
        return f"https://{self.host}"

    def add_version(self, name: str, key: rsa.RSAPrivateKey | None = None) -> str:
        """Make a new version of the key called ``name`` and return the version's URL."""
        version = secrets.token_hex(16)
        made = key or rsa.generate_private_key(65537, 2048)
        self.keys.setdefault(name, {})[version] = Version(made)
        return f"{self.url}/keys/{name}/{version}"

    def answer(self, who: Identity, method: str, parts: list[str], body: dict) -> dict:
        """Answer ``/keys/NAME[/VERSION][/OPERATION]``; without a version, by the newest."""
        if who.tenant != self.tenant:
            expected = f"https://sts.windows.net/{self.tenant}/"
            raise RefusedError(
                401,
                "Unauthorized",
                f"AKV10032: Invalid issuer. Expected one of {expected}, found {who.issuer}.",
            )
        name, version, operation = (*parts[1:], "", "", "")[:3]
        if version in OPERATIONS:
            version, operation = "", version
        action = f"{operation}/action" if operation else "read"
        self._authorize(who, name, version, action)
        version, found = self._find(name, version)
        kid = f"{self.url}/keys/{name}/{version}"
        if method == "GET" and not operation:
            return {"key": self._shown(kid, found), "attributes": {"enabled": found.enabled}}
        if method != "POST" or operation not in OPERATIONS:
            raise RefusedError(405, "MethodNotAllowed", "The method is not allowed.")
        return {"kid": kid, "value": self._operated(found, operation, body)}

    def _authorize(self, who, name, version, action):
        if action in self.roles.get(who.object_id, ()):
            return
        resource = f"/vaults/{self.name}/keys/{name}" + (f"/{version}" if version else "")
        raise RefusedError(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
            "assignments or role definitions were changed recently, please observe propagation "
            f"time.\r\nCaller: appid={who.app_id};oid={who.object_id};iss={who.issuer}\r\n"
            f"Action: '{KEY_DATA}/{action}'\r\n"
            "Resource: '/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/ampere"
            f"/providers/microsoft.keyvault{resource}'\r\nAssignment: (not found)\r\n"
            "DenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n"
            f"Vault: {self.name};location=westeurope\r\n",
            "ForbiddenByRbac",
        )

    def _find(self, name, version):
        versions = self.keys.get(name, {})
        if not version and versions:
            version = list(versions)[-1]
        if version not in versions:
            raise RefusedError(
                404,
                "KeyNotFound",
                f"A key with (name/id) {name}/{version} was not found in this key vault. If you "
                "recently deleted this key you may be able to recover it using the correct "
                "recovery command. For help resolving this issue, please see "
                "https://go.microsoft.com/fwlink/?linkid=2125182",
            )
        return version, versions[version]

    def _shown(self, kid, found):
        numbers = found.key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(found.key.key_size // 8, "big")
        return {
            "kid": kid,
            "kty": "RSA",
            "key_ops": ["encrypt", "decrypt"],
            "n": wrapped(modulus),
            "e": wrapped(numbers.e.to_bytes(3, "big")),
        }

    def _operated(self, found, operation, body):
        if body.get("alg") != ALGORITHM or not body.get("value"):
            raise RefusedError(400, "BadParameter", "Property alg or value has an invalid value.")
        value = unwrapped(body["value"])
        if operation == "encrypt":
            return wrapped(found.key.public_key().encrypt(value, OAEP))
        if not found.enabled:
            raise RefusedError(
                403,
                "Forbidden",
                "Operation decrypt is not allowed on a disabled key.",
                "KeyDisabled",
            )
        try:
            return wrapped(found.key.decrypt(value, OAEP))
        except ValueError:
            raise RefusedError(400, "BadParameter", "The parameter is incorrect.\r\n") from None
