"""What a SOPS file shows without being opened: that it is sealed, and for whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import yaml

from ampere_infra.secrets.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONFLICT = re.compile(rb"^(?:<<<<<<< |>>>>>>> |\|\|\|\|\|\|\| |=======\r?$)", re.MULTILINE)
RESTORE = (
    "take the file back from Git (`git log -- FILE`), then change it with `ampere secrets edit`"
)


@dataclass(frozen=True)
class SealedFile:
    """A file that SOPS encrypted whole."""

    file: str
    recipients: tuple[str, ...]
    """The keys that open it: age recipients, Key Vault key addresses and the like."""

    @property
    def services(self) -> str:
        """The key services among them, by the names of their hosts."""
        hosts = (key.split("/")[2] for key in self.recipients if key.startswith("https://"))
        return " and ".join(dict.fromkeys(hosts))

    @classmethod
    def parse(cls, content: bytes, file: str) -> Self:
        """Look at ``content`` without opening it.

        Raises:
            SecretsError: It is no YAML, holds something in clear, or lost SOPS's own part.
        """
        document = _document(content, file)
        envelope = document.pop("sops", None)
        if not isinstance(envelope, dict):
            raise SecretsError(
                file,
                "IS NOT ENCRYPTED: seal it with `sops encrypt --in-place`, and if it was ever "
                "committed or sent, replace every secret in it",
            )
        envelope = cast("dict[str, object]", envelope)
        if not envelope.get("mac") or not envelope.get("lastmodified"):
            raise SecretsError(file, f"is truncated: SOPS's own part is incomplete; {RESTORE}")
        plain = [name for name, value in document.items() if not _is_sealed(value)]
        if plain:
            raise SecretsError(
                file,
                f"HOLDS SECRETS IN CLEAR: {', '.join(plain)}; add values with `ampere secrets "
                "edit`, and replace these if they were ever committed or sent",
            )
        return cls(file, tuple(_recipients(envelope)))


def _document(content: bytes, file: str) -> dict[str, object]:
    if _CONFLICT.search(content):
        raise SecretsError(
            file,
            "holds a merge conflict: take one side whole (`git checkout --ours FILE`), then add "
            "the rest with `ampere secrets edit`",
        )
    try:
        document = yaml.load(content.decode(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise SecretsError(file, f"is truncated or no YAML: {RESTORE}") from None
    if not isinstance(document, dict):
        raise SecretsError(file, f"is empty or no mapping of names to values: {RESTORE}")
    pairs = cast("dict[object, object]", document).items()
    return {str(name): value for name, value in pairs}


def _is_sealed(value: object) -> bool:
    """SOPS leaves nothing in clear but what is empty."""
    if isinstance(value, dict):
        return all(map(_is_sealed, cast("dict[object, object]", value).values()))
    if isinstance(value, list):
        return all(map(_is_sealed, cast("list[object]", value)))
    return value in {None, ""} or (isinstance(value, str) and value.startswith("ENC["))


def _recipients(envelope: Mapping[str, object]) -> Iterator[str]:
    groups = [envelope, *_mappings(envelope.get("key_groups"))]
    for group in groups:
        yield from (f"age {key.get('recipient')}" for key in _mappings(group.get("age")))
        for key in _mappings(group.get("azure_kv")):
            yield f"{key.get('vault_url')}/keys/{key.get('name')}/{key.get('version')}"
        yield from (f"PGP {key.get('fp')}" for key in _mappings(group.get("pgp")))


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("Mapping[str, object]", item)
