"""Everything that a node fetches with apt, as one folder for a web server.

``debian`` holds only what a node installs and its image lacks; ``kubernetes`` and ``containerd``
hold packages of our own binaries. One key signs all three.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap.packages import DISTRIBUTIONS
from tests.ground import debs, repository, rootfs
from tests.ground.cache import kept, recipe
from tests.ground.commands import run
from tests.ground.keys import Key, key
from tests.ground.repository import Suite, publish

if TYPE_CHECKING:
    from collections.abc import Callable

DEBIAN: Final = DISTRIBUTIONS["debian-13"]
WANTED: Final = (*DEBIAN.tools, "runc")
"""runc comes with containerd's own package upstream, and from Debian here."""

SUITES: Final = tuple(f"{DEBIAN.suite}{end}" for end in ("", "-updates", "-backports", "-security"))


@dataclass(frozen=True)
class Mirror:
    """A folder to be served, and whom nodes have to trust for it."""

    folder: Path
    kubernetes_key: str
    containerd_key: str


def mirror(say: Callable[[str], None]) -> Mirror:
    """Return the mirror, making what is not there yet.

    Raises:
        GroundError: This is not run by root, or Debian's packages cannot be had.
        BuildError: A program could not be built.
    """
    files, packed, signer = rootfs.rootfs(say), debs.debs(say), key(say)
    sources = (Path(__file__), Path(repository.__file__))
    name = recipe(*sources, files.name, packed.name, signer.fingerprint, *WANTED)

    def make(folder: Path) -> None:
        _debian(folder / "debian", files, signer, say)
        _kubernetes(folder / "kubernetes", packed / "kubernetes", signer)
        _containerd(folder / "containerd", packed / "containerd", signer)

    return Mirror(kept("mirror", name, make, say), signer.fingerprint, signer.fingerprint)


def _debian(root: Path, files: Path, signer: Key, say: Callable[[str], None]) -> None:
    pool = root / "pool"
    pool.mkdir(parents=True)
    _download(pool, files, say)
    for suite in SUITES:
        listed = sorted(pool.glob("*.deb")) if suite == DEBIAN.suite else []
        publish(Suite(root, suite, "main", "Debian", suite), listed, signer)


def _kubernetes(root: Path, packed: Path, signer: Key) -> None:
    """Lay out one release's flat repository."""
    shutil.copytree(packed, root / "amd64")
    publish(Suite(root, "", "", "kubernetes", "deb"), list((root / "amd64").iterdir()), signer)
    shutil.copy(signer.armored, root / "Release.key")


def _containerd(root: Path, packed: Path, signer: Key) -> None:
    pool = root / "dists" / DEBIAN.suite / "pool" / "stable" / "amd64"
    shutil.copytree(packed, pool)
    suite = Suite(root, DEBIAN.suite, "stable", "Docker", DEBIAN.suite)
    publish(suite, list(pool.iterdir()), signer)
    shutil.copy(signer.armored, root / "gpg")


def _download(pool: Path, files: Path, say: Callable[[str], None]) -> None:
    """Fetch what ``WANTED`` needs beside the packages in ``files``, as a node's apt would."""
    with tempfile.TemporaryDirectory(prefix="ground-apt-") as temporary:
        environment = {**os.environ, "APT_CONFIG": str(_apt_config(Path(temporary), files))}
        run("apt-get", "--quiet", "update", environment=environment, say=say, doing="apt's lists")
        run(
            *("apt-get", "--quiet", "--yes", "--no-install-recommends", "--download-only"),
            *("install", *WANTED),
            environment=environment,
            say=say,
            doing=f"fetching {', '.join(WANTED)} and what they need",
        )
        for deb in (Path(temporary) / "cache/archives").glob("*.deb"):
            shutil.copy(deb, pool / deb.name.replace("%3a", "_"))


def _apt_config(folder: Path, files: Path) -> Path:
    """Return a configuration for an apt that takes ``files`` for what is installed."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    sources = folder / "etc/sources.list"
    sources.write_text("".join(f"{source}\n" for source in rootfs.sources()))
    values = {
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::State": folder / "state",
        "Dir::State::status": files / "var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": folder / "etc/preferences.d",
        "Dir::Etc::trusted": files / rootfs.KEYRING,
    }
    config = folder / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in values.items()))
    return config
