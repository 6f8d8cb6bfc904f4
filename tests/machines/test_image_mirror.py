"""The mirror of images, as a node's own containerd uses what is rendered of it.

It takes root's rights; everything else is on loopback and in a folder of the test's own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bootstrap_cases import files_of, home

from ampere_infra import tools
from ampere_infra.settings.cluster import Packages
from tests.keyvault.certificates import server_context
from tests.machines.image_registry import Registry, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

HOME = home()
CERTS = "/etc/containerd/certs.d"
START_SECONDS = 120
OWN = """
version = 3
root = '{folder}/root'
state = '{state}'
imports = ['{folder}/node.toml']
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.internal.v1.opt']

[grpc]
  address = '{state}/containerd.sock'
"""


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where containerd looks for mirrors, at each pull anew."""
    return tmp_path_factory.mktemp("certs")


@pytest.fixture(scope="module")
def socket(certs: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A containerd with a node's configuration, but for its places."""
    folder = tmp_path_factory.mktemp("containerd")
    node = files_of(HOME.born(HOME.worker))["/etc/containerd/config.toml"]
    assert CERTS in node
    (folder / "node.toml").write_text(node.replace(CERTS, str(certs)))
    with tempfile.TemporaryDirectory(prefix="mirror-") as state, (folder / "log").open("wb") as log:
        (folder / "config.toml").write_text(OWN.format(folder=folder, state=state))
        words = [tools.own("containerd", say), "--config", folder / "config.toml"]
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            found, deadline = Path(state) / "containerd.sock", time.monotonic() + START_SECONDS
            while not found.exists():
                started = process.poll() is None and time.monotonic() < deadline
                assert started, (folder / "log").read_text()[-2000:]
                time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@pytest.fixture
def upstream() -> Generator[Registry]:
    """The registry that images are named for."""
    with serving() as registry:
        yield registry


@pytest.fixture
def mirror(tmp_path: Path) -> Generator[Registry]:
    with serving(server_context(tmp_path, ["localhost"])) as registry:
        yield registry


@pytest.fixture
def pull(
    socket: Path, certs: Path, mirror: Registry, upstream: Registry
) -> Callable[[str, str | None], tuple[bool, str]]:
    """Pull ``name``:1 of the upstream with the mirror's rendered files, and say how it went."""

    def pulled(name: str, authority: str | None) -> tuple[bool, str]:
        packages = Packages(
            image_registry=f"localhost:{mirror.port}", image_registry_authority=authority
        )
        for old in certs.rglob("*.*"):
            old.unlink()
        for path, text in files_of(HOME.born(HOME.worker, packages=packages)).items():
            if path.startswith(f"{CERTS}/"):
                target = certs / path.removeprefix(f"{CERTS}/")
                target.parent.mkdir(exist_ok=True)
                target.write_text(text)
        ends = [f"--{kind}-endpoint=unix://{socket}" for kind in ("runtime", "image")]
        image = f"127.0.0.1:{upstream.port}/{name}:1"
        words = [tools.own("crictl", say), *ends, "--timeout=60s", "pull", image]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr

    return pulled


def test_an_image_comes_from_the_mirror_under_its_own_registrys_name(
    pull: Callable[[str, str | None], tuple[bool, str]],
    mirror: Registry,
    upstream: Registry,
    tmp_path: Path,
):
    mirror.hold("library/here", "of the mirror", tmp_path)
    done, said = pull("library/here", (tmp_path / "ca.pem").read_text())
    assert done, said
    assert {name for _, name in mirror.asked} == {f"127.0.0.1:{upstream.port}"}
    assert mirror.asked[0][0] == "/v2/library/here/manifests/1"
    assert len([path for path, _ in mirror.asked if "/blobs/" in path]) == 2, "all of it"
    assert not upstream.asked, "behind a slow line, or none"


def test_a_mirror_is_asked_nothing_where_its_authority_is_not_trusted(
    pull: Callable[[str, str | None], tuple[bool, str]], mirror: Registry, tmp_path: Path
):
    mirror.hold("library/strange", "of who knows whom", tmp_path)
    done, said = pull("library/strange", None)
    assert not done
    assert "/library/strange:1" in said
    assert not mirror.asked
