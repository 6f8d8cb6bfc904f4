"""Package repositories as apt reads them: indexes and their signatures."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.ground.commands import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.ground.keys import Key


@dataclass(frozen=True)
class Suite:
    """One suite of a repository."""

    root: Path
    """The repository's folder, which file names are relative to."""
    name: str
    """``trixie``, or empty for a flat repository."""
    component: str
    origin: str
    codename: str

    @property
    def folder(self) -> Path:
        """Where its ``Release`` is."""
        return self.root / "dists" / self.name if self.name else self.root

    @property
    def indexes(self) -> dict[str, str]:
        """The paths of its indexes of programs and, where there is one, of sources."""
        if not self.name:
            return {"binary": "Packages"}
        return {
            "binary": f"{self.component}/binary-amd64/Packages",
            "source": f"{self.component}/source/Sources",
        }


def publish(suite: Suite, debs: Sequence[Path], key: Key) -> None:
    """Write the indexes of ``suite``, which lists ``debs``, and sign them."""
    suite.folder.mkdir(parents=True, exist_ok=True)
    stanzas = [_stanza(deb, str(deb.relative_to(suite.root))) for deb in sorted(debs)]
    contents = {"binary": "\n".join(stanzas), "source": ""}
    written: list[str] = []
    for kind, index in suite.indexes.items():
        path = suite.folder / index
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = contents[kind].encode()
        path.write_bytes(raw)
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(raw, mtime=0))
        written += [index, f"{index}.gz"]
    release = suite.folder / "Release"
    release.write_text(_release(suite, written))
    detached = suite.folder / "Release.gpg"
    key.sign(release, inline=suite.folder / "InRelease", detached=detached)


def _stanza(deb: Path, name: str) -> str:
    control = run("dpkg-deb", "--field", deb).rstrip("\n")
    raw = deb.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    return f"{control}\nFilename: {name}\nSize: {len(raw)}\nSHA256: {digest}\n"


def _release(suite: Suite, indexes: Sequence[str]) -> str:
    lines = [
        f"Origin: {suite.origin}",
        f"Label: {suite.origin}",
        f"Suite: {suite.name or suite.codename}",
        f"Codename: {suite.codename}",
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} +0000",
        "Architectures: amd64",
        f"Components: {suite.component}",
        "SHA256:",
    ]
    for index in indexes:
        raw = (suite.folder / index).read_bytes()
        lines.append(f" {hashlib.sha256(raw).hexdigest()} {len(raw)} {index}")
    return "\n".join(lines) + "\n"
