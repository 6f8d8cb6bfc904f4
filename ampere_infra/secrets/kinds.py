"""The kinds of secrets: what one must look like, and how a strong one is made."""

from __future__ import annotations

import base64
import re
import secrets
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

_ALPHANUMERIC = string.ascii_letters + string.digits
_DIFFERENT = 5
"""A secret with fewer different characters is a placeholder, such as ``xxxxxxxxxxxxxxxx``."""
_PLACEHOLDER = re.compile(
    r"change.?me|change.?this|replace.?me|minioadmin|your.?(?:secret|password|token|key)",
    re.IGNORECASE,
)
"""What stands in examples, and in files that were made from them."""


@dataclass(frozen=True)
class Kind:
    """One kind of secret; the texts speak of the rule, never of the value."""

    fits: Callable[[str], bool]
    rule: str
    make: Callable[[], str]
    given: bool = False
    """Somebody else makes the real one; what is made of this kind serves rehearsals."""
    renewed: Callable[[str, str], str] = lambda new, old: new  # noqa: ARG005
    """What a value is renewed with: the new one alone, or the old one beside it."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not self.takes(value.get_secret_value()):
            raise ValueError(self.rule)
        return value

    def takes(self, value: str) -> bool:
        """Whether ``value`` is one of this kind, and no placeholder."""
        return self.fits(value) and _PLACEHOLDER.search(value) is None


def _random(length: int) -> Callable[[], str]:
    return lambda: "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


def _printable(floor: int, length: int, *, given: bool = False) -> Kind:
    """Text of printable ASCII without spaces, so that it survives URIs, YAML and environments."""

    def fits(value: str) -> bool:
        printable = re.fullmatch(r"[!-~]+", value) is not None
        return printable and len(value) >= floor and len(set(value)) >= _DIFFERENT

    rule = f"must be {floor} or more printable characters, no placeholder, without spaces"
    return Kind(fits, rule, _random(length), given)


def _issued(pattern: str, rule: str, make: Callable[[], str]) -> Kind:
    """A token of which its issuer makes known what it looks like."""

    def fits(value: str) -> bool:
        return re.fullmatch(pattern, value) is not None and len(set(value)) >= _DIFFERENT

    return Kind(fits, rule, make, given=True)


def _is_fernet(value: str) -> bool:
    try:
        keys = [base64.b64decode(key, altchars=b"-_", validate=True) for key in value.split(",")]
    except ValueError:
        return False
    return all(len(key) == FERNET_BYTES for key in keys)


def _make_fernet() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()


_SSH_KEY = "-----{} OPENSSH PRIVATE KEY-----"
_SSH_MAGIC = b"openssh-key-v1\0\0\0\0\x04none"
"""How a key begins that no passphrase seals (OpenSSH's PROTOCOL.key)."""


def _is_ssh_key(value: str) -> bool:
    first, *body, last = value.strip().splitlines() or [""] * 2
    try:
        key = base64.b64decode("".join(body), validate=True)
    except ValueError:
        return False
    marks = first == _SSH_KEY.format("BEGIN") and last == _SSH_KEY.format("END")
    return marks and key.startswith(_SSH_MAGIC)


def _like_ssh_key() -> str:
    """Return what every reader takes for an Ed25519 key; its halves do not belong together."""

    def field(*parts: bytes) -> bytes:
        content = b"".join(parts)
        return len(content).to_bytes(4, "big") + content

    check, private, public = (secrets.token_bytes(size) for size in (4, 32, 32))
    shown = field(b"ssh-ed25519") + field(public)
    kept = check + check + shown + field(private, public) + field()
    kept += bytes(range(1, 1 + -len(kept) % 8))
    key = (
        _SSH_MAGIC + field(b"none") + field() + (1).to_bytes(4, "big") + field(shown) + field(kept)
    )
    coded = base64.b64encode(key).decode()
    lines = (coded[at : at + 70] for at in range(0, len(coded), 70))
    return "\n".join([_SSH_KEY.format("BEGIN"), *lines, _SSH_KEY.format("END"), ""])


FERNET_BYTES = 32

Password = Annotated[SecretStr, _printable(16, 32)]

AdminPassword = Annotated[SecretStr, _printable(12, 24)]
"""A password that a person types."""

SigningKey = Annotated[SecretStr, _printable(32, 64)]

JwtKey = Annotated[SecretStr, _printable(64, 86)]
"""Airflow signs with HS512, whose key is 64 bytes or more (RFC 7518, section 3.2)."""

FernetKey = Annotated[
    SecretStr,
    Kind(
        _is_fernet,
        "must be 32 bytes in URL-safe base64; a comma parts new and old",
        _make_fernet,
        renewed=lambda new, old: f"{new},{old.partition(',')[0]}",
    ),
]
"""Airflow seals with the first and opens with each."""

AccessKey = Annotated[
    SecretStr,
    Kind(
        lambda value: re.fullmatch(r"[A-Za-z0-9]{8,20}", value) is not None,
        "must be 8 to 20 letters and digits, as MinIO takes them",
        _random(20),
    ),
]

SecretKey = Annotated[
    SecretStr,
    Kind(
        lambda value: (
            re.fullmatch(r"[A-Za-z0-9/+_-]{16,40}", value) is not None
            and len(set(value)) >= _DIFFERENT
        ),
        "must be 16 to 40 letters, digits, /, +, _ or -, as MinIO takes them",
        _random(40),
    ),
]

GivenKey = Annotated[SecretStr | None, _printable(8, 40, given=True)]
"""Half of the login at somebody else's S3 store, as that store made it."""

HetznerToken = Annotated[
    SecretStr,
    _issued(
        r"[A-Za-z0-9]{64}", "must be 64 letters and digits, as Hetzner Cloud makes it", _random(64)
    ),
]

_CLIENT_KEY = r"[a-z][a-z0-9-]{0,62}=[A-Za-z0-9_-]{32,128}"


def client_keys(value: str) -> dict[str, str]:
    """Return each client's key; none where ``value`` is no list of clients' keys."""
    if re.fullmatch(rf"{_CLIENT_KEY}(?:,{_CLIENT_KEY})*", value) is None:
        return {}
    return dict(entry.split("=") for entry in value.split(","))


def _are_client_keys(value: str) -> bool:
    keys = client_keys(value)
    strong = all(len(set(key)) >= _DIFFERENT for key in keys.values())
    return bool(keys) and strong and len(set(keys.values())) == value.count(",") + 1


ClientKeys = Annotated[
    SecretStr,
    Kind(
        _are_client_keys,
        "must be CLIENT=KEY, parted by commas, each key another one of 32 or more letters, "
        "digits, _ or -",
        lambda: f"first={_random(48)()}",
    ),
]
"""A client is one that has a key; taking it out of the list revokes it."""

DnsToken = Annotated[SecretStr | None, _printable(16, 40, given=True)]

TailscaleKey = Annotated[
    SecretStr | None,
    _issued(
        r"tskey-(auth|client)-[A-Za-z0-9]+-[A-Za-z0-9]+",
        "must begin with tskey-auth- or tskey-client-, as Tailscale makes it",
        lambda: f"tskey-auth-{_random(17)()}-{_random(32)()}",
    ),
]

GitToken = Annotated[SecretStr | None, _printable(16, 40, given=True)]

SshKey = Annotated[
    SecretStr | None,
    Kind(
        _is_ssh_key,
        "must be a whole OpenSSH private key without a passphrase, as ssh-keygen writes it",
        _like_ssh_key,
        given=True,
    ),
]

RegistryToken = Annotated[SecretStr, _printable(16, 40, given=True)]
"""It can read packages and do nothing else."""
