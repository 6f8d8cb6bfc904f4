"""The OpenPGP key that signs everything our mirror serves, made once and kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.ground.cache import kept, recipe
from tests.ground.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "Ampere proving ground <ground@example.invalid>"
KIND = "ed25519"


@dataclass(frozen=True)
class Key:
    """One key without a passphrase, which protects nothing but machines made for a test."""

    folder: Path

    @property
    def armored(self) -> Path:
        """Its public half, as repositories publish it."""
        return self.folder / "key.asc"

    @property
    def fingerprint(self) -> str:
        """Forty hex digits in capitals."""
        return (self.folder / "fingerprint").read_text()

    @property
    def keyring(self) -> Path:
        """Its public half, as it lies in a keyring."""
        return self.folder / "key.gpg"

    def sign(self, text: Path, *, inline: Path, detached: Path) -> None:
        """Sign a repository's ``Release`` in both ways that apt knows."""
        for option, signature in (("--clearsign", inline), ("--detach-sign", detached)):
            _gpg(self.folder, "--yes", "--armor", "--output", signature, option, text)


def key(say: Callable[[str], None]) -> Key:
    """Return the key, making it if there is none."""
    return Key(kept("key", recipe(NAME, KIND), _make, say))


def _make(folder: Path) -> None:
    _gpg(folder, "--passphrase", "", "--quick-generate-key", NAME, KIND, "sign", "never")
    listed = _gpg(folder, "--with-colons", "--list-keys")
    found = next(line for line in listed.splitlines() if line.startswith("fpr:"))
    (folder / "fingerprint").write_text(found.split(":")[9])
    _gpg(folder, "--output", folder / "key.gpg", "--export")
    _gpg(folder, "--armor", "--output", folder / "key.asc", "--export")


def _gpg(folder: Path, *words: str | Path) -> str:
    """Run gpg, and end the agent that it leaves behind: sockets want a short, private path."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    try:
        return run("gpg", "--batch", "--quiet", *words, environment=environment)
    finally:
        run("gpgconf", "--kill", "all", environment=environment)
