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

HetznerToken = Annotated[
    SecretStr,
    _issued(
        r"[A-Za-z0-9]{64}", "must be 64 letters and digits, as Hetzner Cloud makes it", _random(64)
    ),
]

TailscaleKey = Annotated[
    SecretStr | None,
    _issued(
        r"tskey-(auth|client)-[A-Za-z0-9]+-[A-Za-z0-9]+",
        "must begin with tskey-auth- or tskey-client-, as Tailscale makes it",
        lambda: f"tskey-auth-{_random(17)()}-{_random(32)()}",
    ),
]

RegistryToken = Annotated[SecretStr, _printable(16, 40, given=True)]
"""It can read packages and do nothing else."""
