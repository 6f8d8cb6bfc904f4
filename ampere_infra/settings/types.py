"""The value types of the settings: each reads what a person writes, or says what is right."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ampere_infra.settings.addresses import OCTETS, read_address, read_network
from ampere_infra.settings.moments import MOMENT, read_moment
from ampere_infra.settings.sizes import GIB, KIB, MIB, TIB, Cpu, Size
from ampere_infra.settings.written import Written

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "TIB",
    "Address",
    "Archive",
    "Bridge",
    "Bucket",
    "Certificate",
    "Cpu",
    "DnsLabel",
    "DnsName",
    "Email",
    "Endpoint",
    "Flag",
    "HostPath",
    "HttpUrl",
    "HttpsUrl",
    "ImageReference",
    "LocalPath",
    "Login",
    "Model",
    "Moment",
    "NodePort",
    "Processors",
    "Region",
    "Registry",
    "Schedule",
    "Seconds",
    "Sha256",
    "Size",
    "StackSettings",
    "Subnet",
    "TaggedImage",
    "Version",
]


class Model(BaseModel):
    """The base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class StackSettings(Model):
    """The base of all settings of one stack: each field is the key ``ampere:FIELD``."""

    has_secrets: ClassVar[bool] = True
    """Whether the stack has a file of secrets."""


def _spellings(text: str) -> tuple[str, ...]:
    bare = text.strip()
    return bare, bare.lower(), bare.lower().replace("_", "-"), bare.removeprefix("v")


def matching(pattern: str, remedy: str, example: str) -> Written:
    """Text that matches ``pattern`` wholly; a near miss is told what was probably meant."""

    def read(text: str) -> str:
        if re.fullmatch(pattern, text) is not None:
            return text
        meant = next((s for s in _spellings(text) if re.fullmatch(pattern, s)), None)
        raise ValueError(remedy + (f"; did you mean {meant}?" if meant else f", such as {example}"))

    return Written(read, pattern, example)


def _url(schemes: str, example: str) -> Written:
    plain = matching(
        rf"(?:{schemes})://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[!-~]*)?",
        f"write a whole {schemes.replace('|', ':// or ')}:// address",
        example,
    )

    def read(text: str) -> object:
        if "@" in text.split("://", 1)[-1].split("/", 1)[0]:
            raise ValueError("holds a login; write the address without it, it is not kept secret")
        return plain.read(text)

    return Written(read, plain.pattern, example)


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*"
_REGISTRY = rf"(?=[^/]*[.:]){_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?"
_TAGGED = (
    rf"{_REGISTRY}/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r":(?!latest(?:@|$))[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
)
_DIGEST = "@sha256:[0-9a-f]{64}"
_PINNED_EXAMPLE = f"docker.io/library/busybox:1.37.0@sha256:{'0123456789abcdef' * 4}"


def _read_image(text: str) -> str:
    if re.fullmatch(f"{_TAGGED}(?:{_DIGEST})?", text) is not None:
        return text
    name, _, _ = text.partition("@")
    if name.endswith(":latest"):
        raise ValueError("is another image every day; write the tag of a release")
    tagless = "/" in name and ":" not in name.rpartition("/")[2]
    wrong = "has no tag" if tagless else "is no image reference"
    raise ValueError(f"{wrong}; write REGISTRY/NAME:TAG, such as docker.io/library/busybox:1.37.0")


def _read_pinned_image(text: str) -> str:
    if "@" in _read_image(text):
        return text
    raise ValueError(
        "has no digest; write REGISTRY/NAME:TAG@sha256:DIGEST, as the registry or the build "
        "prints it"
    )


Processors = Annotated[Cpu, Written(Cpu.parse, Cpu.PATTERN, "500m")]
Address = Annotated[IPv4Address, Written(read_address, OCTETS, "10.10.10.11")]
Subnet = Annotated[IPv4Network, Written(read_network, rf"{OCTETS}/[0-9]{{1,2}}", "10.10.10.0/24")]
DnsLabel = Annotated[
    str,
    matching(
        _LABEL, "use 1 to 63 lower-case letters, digits and inner hyphens", "ampere-k8s-node1"
    ),
]
"""One part of a host name (RFC 1123)."""
DnsName = Annotated[str, matching(_NAME, "write a DNS name in lower case", "minio.local")]
Login = Annotated[
    str,
    matching(
        r"[a-z_][a-z0-9_-]{0,31}",
        "write a login of 1 to 32 lower-case letters, digits, hyphens and underscores",
        "ampere",
    ),
]
Version = Annotated[
    str,
    matching(
        r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2}",
        "write MAJOR.MINOR.PATCH in digits",
        "1.36.3",
    ),
]
Sha256 = Annotated[
    str,
    matching(
        r"[0-9a-f]{64}",
        "write the 64 lower-case hex digits of a SHA-256",
        "5d41402abc4b2a76b9719d911017c592ae6f1b1fa2f4e4c1c5b1a3d5e0f7c8d9",
    ),
]
Fingerprint = Annotated[
    str,
    matching(
        r"[0-9A-F]{40}",
        "write the 40 hex digits of an OpenPGP key's fingerprint, in capitals and without spaces",
        "DE15B14486CD377B9E876E1A234654DA9A296436",
    ),
]
HttpsUrl = Annotated[str, _url("https", "https://pkgs.k8s.io/")]
HttpUrl = Annotated[str, _url("http|https", "http://archive.ubuntu.com/ubuntu")]
"""For what is signed, such as apt's indexes: the way there need not be trusted."""
Endpoint = Annotated[
    str,
    matching(
        r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?",
        "write http:// or https://, a name and nothing behind it but a port",
        "https://s3.eu-central-003.backblazeb2.com",
    ),
]
"""Where an S3 API answers."""
Registry = Annotated[
    str,
    matching(
        _REGISTRY, "write the registry's name, with its port if it has one", "mirror.lan:5000"
    ),
]
Certificate = Annotated[
    str,
    matching(
        r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n?",
        "write the certificate itself, in PEM, behind a |",
        "-----BEGIN CERTIFICATE-----",
    ),
]
"""One certificate, which is no secret."""
ImageReference = Annotated[str, Written(_read_pinned_image, _TAGGED + _DIGEST, _PINNED_EXAMPLE)]
"""A container image with tag and digest: what runs is what was looked at."""
TaggedImage = Annotated[
    str, Written(_read_image, f"{_TAGGED}(?:{_DIGEST})?", "docker.io/library/busybox:1.37.0")
]
"""A container image with its tag, for what is yet to be built; ``latest`` is refused."""
Bucket = Annotated[
    str,
    matching(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "use 3 to 63 lower-case letters, digits and inner hyphens",
        "warehouse",
    ),
]
Region = Annotated[
    str, matching(r"[a-z0-9][a-z0-9-]{0,62}", "write the S3 region's name", "eu-central-1")
]
_CRON = r"(?:\*|[0-9]{1,2}(?:-[0-9]{1,2})?)(?:/[0-9]{1,2})?"
_CRON_FIELD = rf"{_CRON}(?:,{_CRON})*"
Schedule = Annotated[
    str,
    matching(
        rf"{_CRON_FIELD}(?: {_CRON_FIELD}){{4}}",
        "write the five fields of cron: minute, hour, day, month, weekday",
        "'0 3 * * *'",
    ),
]
"""When something is done again and again, in UTC."""
Archive = Annotated[
    str,
    matching(
        r"postgresql(?:-[1-9][0-9]{0,3})?", "write the name of a database cluster", "postgresql"
    ),
]
"""A database cluster of ours, and the folder of its archive."""
Moment = Annotated[str, Written(read_moment, MOMENT, "'2026-11-20T10:00:00Z'")]
"""A point in time with its zone (RFC 3339)."""
LocalPath = Annotated[
    str,
    matching(
        r"[^\x00-\x1f\s](?:[^\x00-\x1f]*[^\x00-\x1f\s])?",
        "write a file's path",
        "~/.ssh/id_ed25519",
    ),
]
"""A path on the machine that runs Pulumi, Windows or not; ``~`` is the user's folder."""
HostPath = Annotated[
    str,
    matching(
        r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+",
        "write an absolute path without spaces, '..' or a slash at its end",
        "/var/lib/libvirt/ampere-k8s",
    ),
]
Email = Annotated[
    str, matching(r"[^@\s]+@[^@\s]+\.[^@\s.]+", "write an e-mail address", "admin@airflow.local")
]
Bridge = Annotated[
    str, matching(r"[a-z][a-z0-9_-]{0,14}", "write a network interface of the KVM host", "br0")
]
Flag = Annotated[bool, Field(strict=True)]
NodePort = Annotated[int, Field(strict=True, ge=30000, le=32767)]
"""The range is the API server's default."""
Seconds = Annotated[int, Field(strict=True, ge=10, le=7200)]
