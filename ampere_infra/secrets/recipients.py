"""For whom a file is sealed: age keys and keys in Azure Key Vaults."""

from __future__ import annotations

import re
from dataclasses import dataclass

_AGE = re.compile(r"age1[0-9a-z]{20,}")
_AZURE_KV = re.compile(
    r"(?P<vault>https://[A-Za-z0-9.-]+)/keys/(?P<key>[A-Za-z0-9-]{1,127})/(?P<version>[0-9a-f]{32})"
)


@dataclass(frozen=True)
class AzureKey:
    """One version of a key in a vault."""

    vault: str
    """Its address, such as ``https://NAME.vault.azure.net``."""
    key: str
    version: str

    @classmethod
    def parse(cls, url: str) -> AzureKey | None:
        """Take ``url`` apart; None if it is no key's address with its version.

        Without a version SOPS would ask the vault for the newest, and two people who seal the same
        file would seal it for different keys.
        """
        match = _AZURE_KV.fullmatch(url.strip())
        return cls(**match.groupdict()) if match else None

    def __str__(self) -> str:
        return f"{self.vault}/keys/{self.key}/{self.version}"


@dataclass(frozen=True)
class Recipients:
    """The keys of one file; each of them alone opens it."""

    age: tuple[str, ...] = ()
    """``age1...``"""
    azure_kv: tuple[str, ...] = ()
    """``https://NAME.vault.azure.net/keys/KEY/VERSION``"""

    @property
    def named(self) -> frozenset[str]:
        """As :class:`ampere_infra.secrets.sealed.SealedFile` names those of a sealed file."""
        return frozenset({*(f"age {key}" for key in self.age), *self.azure_kv})

    def mistakes(self) -> list[str]:
        """Return what is wrong with them."""
        found = [
            f"{key} is no age recipient: it begins with age1"
            for key in self.age
            if _AGE.fullmatch(key) is None
        ]
        found += [
            f"{url} is no key with its version: https://NAME.vault.azure.net/keys/KEY/VERSION"
            for url in self.azure_kv
            if AzureKey.parse(url) is None
        ]
        return found if self.named else ["it names no key at all"]
