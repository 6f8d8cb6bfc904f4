"""What the test machines are born from, before any of them is.

It takes root's rights, Debian's packages and, the first time, the minutes that it takes to build.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ampere_infra import tools
from ampere_infra.bootstrap.node.packages import fingerprints
from ampere_infra.bootstrap.packages import DISTRIBUTIONS
from tests.ground import cache, rootfs
from tests.ground.commands import GroundError, run
from tests.ground.image import base_image
from tests.ground.mirror import Mirror, mirror

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

KUBERNETES = tools.pinned("kubernetes", "k8s.io/kubernetes").removeprefix("v")
CONTAINERD = tools.pinned("containerd", "github.com/containerd/containerd/v2").removeprefix("v")


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep what is made in a home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_another_recipe_is_another_thing(at_home):
    recipe = at_home / "recipe"
    recipe.write_text("as it was")
    before = cache.recipe(recipe, "1.36.3")
    assert before == cache.recipe(b"as it was", "1.36.3"), "the content counts, not its place"
    assert before != cache.recipe(recipe, "1.36.4")
    assert cache.recipe("ab", "c") != cache.recipe("a", "bc"), "no two splits agree"
    recipe.write_text("as it is")
    assert before != cache.recipe(recipe, "1.36.3")


def test_what_is_kept_is_made_once(at_home):
    made = []
    for _ in range(2):
        folder = cache.kept("thing", "0" * 16, made.append, say)
        assert folder.is_dir()
    assert len(made) == 1


def test_what_was_interrupted_is_not_there_and_is_made_again(at_home):
    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.kept("thing", "0" * 16, interrupted, say)
    folder = cache.kept("thing", "0" * 16, lambda folder: (folder / "whole").touch(), say)
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_the_oldest_of_a_kind_go(at_home):
    for number in range(5):
        cache.kept("thing", f"{number:016d}", lambda folder: None, say)
    cache.kept("thing-else", "0" * 16, lambda folder: None, say)
    left = sorted(path.name for path in cache.folder().iterdir() if path.is_dir())
    assert left == [*(f"thing-{number:016d}" for number in (2, 3, 4)), "thing-else-" + "0" * 16]


def test_a_program_that_fails_is_told_with_what_it_said():
    with pytest.raises(GroundError, match="No such file"):
        run("ls", "/nowhere")


@pytest.fixture(scope="module")
def served() -> Generator[tuple[Mirror, str]]:
    """The mirror, and its address on loopback."""
    made = mirror(say)
    handler = partial(Quiet, directory=str(made.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *words):  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def machine(served: tuple[Mirror, str], tmp_path_factory) -> Generator[Path]:
    """The files of a machine whose package sources are the mirror."""
    made, address = served
    root = tmp_path_factory.mktemp("machine")
    rootfs.copied(rootfs.rootfs(say), root)
    sources = root / "etc/apt/sources.list.d"
    suite = DISTRIBUTIONS["debian-13"].suite
    suites = " ".join((suite, f"{suite}-updates", f"{suite}-backports", f"{suite}-security"))
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (sources / "debian.sources").write_text(
        f"Types: deb deb-src\nURIs: {address}/debian\nSuites: {suites}\nComponents: main\n"
        f"Signed-By: {keyring}\n"
    )
    for name, suites, key in (
        ("kubernetes", "/", "Release.key"),
        ("containerd", suite, "gpg"),
    ):
        (root / f"etc/apt/keyrings/{name}.asc").write_bytes((made.folder / name / key).read_bytes())
        component = "" if suites == "/" else "Components: stable\n"
        (sources / f"{name}.sources").write_text(
            f"Types: deb\nURIs: {address}/{name}/\nSuites: {suites}\n{component}"
            f"Signed-By: /etc/apt/keyrings/{name}.asc\n"
        )
    yield root
    shutil.rmtree(root)


def test_a_node_trusts_the_mirrors_keys(served):
    made, _ = served
    for path, wanted in (
        ("kubernetes/Release.key", made.kubernetes_key),
        ("containerd/gpg", made.containerd_key),
    ):
        assert fingerprints((made.folder / path).read_text()) == [wanted]


def test_a_node_gets_all_its_packages_from_the_mirror(machine):
    run("chroot", machine, "apt-get", "update", "--error-on=any")
    kubernetes = [f"{name}={KUBERNETES}-*" for name in ("kubeadm", "kubectl", "kubelet")]
    wanted = [*kubernetes, f"containerd.io={CONTAINERD}-*", "cri-tools"]
    wanted += DISTRIBUTIONS["debian-13"].tools
    words = ("--yes", "--no-install-recommends", "--allow-downgrades", "install", *wanted)
    run("chroot", machine, "apt-get", *words)
    installed = rootfs.packages_of(machine)
    assert installed["kubelet"].startswith(f"{KUBERNETES}-")
    assert installed["containerd.io"].startswith(f"{CONTAINERD}-")
    assert {"conntrack", "ethtool", "iptables", "socat", "runc"} <= set(installed)
    for program in ("kubelet", "kubeadm", "containerd", "crictl"):
        assert run("chroot", machine, program, "--help"), "it runs there"


def test_nobody_is_known_in_the_base_image():
    root = rootfs.rootfs(say)
    assert not list(root.glob("etc/ssh/ssh_host_*")), "each machine makes keys of its own"
    assert not (root / "etc/machine-id").read_text()
    for line in (root / "etc/shadow").read_text().splitlines():
        assert line.split(":")[1] in {"*", "!", "!*"}, "nobody has a password"


def test_the_base_image_is_what_it_says():
    image = base_image(say)
    printed = run("qemu-img", "info", "--output=json", image.path)
    assert json.loads(printed)["format"] == "qcow2"
    done = subprocess.run(["sha256sum", image.path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == image.sha256
