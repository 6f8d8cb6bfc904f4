"""The value types of the settings: each parses what a person writes and says what would be right."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

KIB, MIB, GIB, TIB = 1024, 1024**2, 1024**3, 1024**4


class Model(BaseModel):
    """The base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Size(int):
    """A size in bytes, written with its binary unit: ``4GiB``, ``512MiB``."""

    UNITS: ClassVar[dict[str, int]] = {"KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB}
    PATTERN: ClassVar[str] = r"^[1-9][0-9]*(KiB|MiB|GiB|TiB)$"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the size that ``value`` spells.

        Raises:
            ValueError: ``value`` is no text of digits and a binary unit.
        """
        if isinstance(value, cls):
            return value
        match = re.fullmatch(r"([1-9][0-9]*)(KiB|MiB|GiB|TiB)", str(value))
        if not isinstance(value, str) or match is None:
            raise ValueError("write a whole number with its unit, KiB, MiB, GiB or TiB: 4GiB")
        return cls(int(match[1]) * cls.UNITS[match[2]])

    @property
    def mebibytes(self) -> int:
        """The size in MiB, libvirt's unit of memory, rounded down."""
        return self // MIB

    def __str__(self) -> str:
        unit = next(u for u in ("TiB", "GiB", "MiB", "KiB") if self % self.UNITS[u] == 0)
        return f"{self // self.UNITS[unit]}{unit}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.to_string_ser_schema(),
            json_schema_input_schema=core_schema.str_schema(pattern=cls.PATTERN),
        )


def _matching(pattern: str, remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(remedy)
        return value

    return AfterValidator(check)


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

DnsLabel = Annotated[
    str, _matching(_LABEL, "use 1 to 63 lower-case letters, digits and inner hyphens (RFC 1123)")
]
DnsName = Annotated[
    str,
    _matching(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*",
        "use a DNS name in lower case, such as minio.local",
    ),
]
Login = Annotated[
    str, _matching(r"[a-z_][a-z0-9_-]{0,31}", "use a Linux login name: lower case, at most 32")
]
Version = Annotated[
    str, _matching(r"[0-9]+\.[0-9]+\.[0-9]+", "write MAJOR.MINOR.PATCH in digits, such as 1.36.3")
]
Sha256 = Annotated[str, _matching(r"[0-9a-f]{64}", "write the 64 lower-case hex digits of a SHA-256")]
HttpsUrl = Annotated[str, _matching(r"https?://[^\s/]+(/\S*)?", "write a whole http(s):// address")]
ImageReference = Annotated[
    str,
    _matching(
        r"[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+:[A-Za-z0-9._-]+(@sha256:[0-9a-f]{64})?",
        "write REGISTRY/NAME:TAG, better still with @sha256:DIGEST",
    ),
]
"""A container image; ``latest`` is refused by the cross-checks."""
