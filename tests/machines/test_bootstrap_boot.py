"""The rendered units under a real systemd, from the first boot, with the power cut in between.

It takes root's rights, Linux namespaces and minutes, so it runs when it is asked for:
``make test-machines``.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from bootstrap_booted import HOME, REWRITTEN, UNITS, Booted

from ampere_infra.bootstrap.api_server import encryption_config, encryption_key
from ampere_infra.bootstrap.units import ENABLED, STATE
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

TOKEN = "canary.canary0canary0ca"
OTHER_TOKEN = "yranac.canary0canary0ca"


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and the API's certificate signed by it."""
    folder = tmp_path_factory.mktemp("pki")
    for name in ("ca", "api"):
        openssl(
            "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.key"
        )
    ca = ("-x509", "-days", "2", "-subj", "/CN=ca", "-key", folder / "ca.key")
    openssl("req", *ca, "-out", folder / "ca.crt")
    names = f"subjectAltName=IP:{HOME.cluster.api_address}"
    signed = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-addext", names)
    request = ("-x509", "-days", "2", "-subj", "/CN=api", "-key", folder / "api.key")
    openssl("req", *request, *signed, "-out", folder / "api.crt")
    return folder


@pytest.fixture
def master(tmp_path: Path, pair: Path) -> Generator[Booted]:
    node = Booted(tmp_path / "master", HOME.master, facts={"api_stable_probes": 2})
    node.prepare()
    for name in ("api.crt", "api.key"):
        (node.root / name).write_bytes((pair / name).read_bytes())
    yield node
    node.cut()


@pytest.fixture
def worker(tmp_path: Path, pair: Path) -> Generator[Booted]:
    node = Booted(tmp_path / "worker", HOME.worker)
    node.prepare()
    for name in ("api.crt", "api.key"):
        (node.root / name).write_bytes((pair / name).read_bytes())
    yield node
    node.cut()


def push_ca(node: Booted, pair: Path) -> None:
    node.up()
    ca = {name: (pair / name).read_text() for name in ("ca.crt", "ca.key")}
    ca["encryption.json"] = encryption_config([encryption_key("drawn")])
    done = node.run("/usr/local/sbin/ampere-node", "receive-pki", stdin=json.dumps(ca))
    assert done.returncode == 0, done.stderr


def served(node: Booted) -> str:
    """What workers read on the cluster's address."""
    code = (
        "import urllib.request as u;"
        f"print(u.urlopen('http://{HOME.cluster.api_address}:6444/cluster-info').read().decode())"
    )
    return node.run("/usr/bin/python3", "-c", code).stdout.strip()


def await_served(node: Booted) -> None:
    for _ in range(300):
        if served(node) == "public":
            return
        time.sleep(0.1)
    raise AssertionError(node.story())


def test_a_master_goes_through_its_stages_by_itself(master: Booted, pair: Path) -> None:
    master.boot()
    master.wait_for(f"{STATE}/PACKAGES_INSTALLED")
    time.sleep(1)
    assert not [call for call in master.calls if call.startswith("kubeadm")], "it waits for the CA"
    push_ca(master, pair)
    master.wait_for(f"{STATE}/CONTROL_PLANE_CREATED")
    master.wait_for(f"{STATE}/API_STABLE")
    await_served(master)
    assert [c.split()[1] for c in master.calls if c.startswith("kubeadm")] == ["init"], "once"


def test_a_master_that_reboots_does_nothing_again(master: Booted, pair: Path) -> None:
    master.boot()
    master.wait_for(f"{STATE}/PACKAGES_INSTALLED")
    push_ca(master, pair)
    master.wait_for(f"{STATE}/public/cluster-info")
    await_served(master)
    master.cut()
    (master.root / "calls").unlink()
    master.boot()
    time.sleep(3)
    await_served(master)
    again = [c for c in master.calls if c.split()[0] in ("kubeadm", "apt-get", "modprobe")]
    assert not again, "every marker is there"


def test_a_mirror_that_is_down_is_waited_for(master: Booted, pair: Path) -> None:
    (master.root / "mirror-is-down").touch()
    master.boot()
    master.wait_for(f"{STATE}/OS_READY")
    time.sleep(5)
    push_ca(master, pair)
    time.sleep(2)
    assert not master.has(f"{STATE}/PACKAGES_INSTALLED")
    master.run("rm", "/mirror-is-down")
    master.wait_for(f"{STATE}/API_STABLE")


@pytest.mark.parametrize("seed", range(6))
def test_a_master_ends_the_same_however_often_its_power_is_cut(
    master: Booted, pair: Path, seed: int
) -> None:
    chance = random.Random(seed)
    pushed = False
    for _ in range(5):
        master.boot()
        end = time.monotonic() + chance.uniform(0.2, 6)
        while time.monotonic() < end:
            if master.has(f"{STATE}/OS_READY") and not pushed:
                push_ca(master, pair)
                pushed = True
            time.sleep(0.05)
        master.cut()
    master.boot()
    master.wait_for(f"{STATE}/OS_READY")
    push_ca(master, pair)
    master.wait_for(f"{STATE}/API_STABLE")
    await_served(master)
    kept = (master.root / "srv/ampere/pki/sa.key").read_text()
    assert (master.root / "etc/kubernetes/pki/sa.key").read_text() == kept


def test_a_unit_that_a_power_cut_left_empty_is_read_again(worker: Booted) -> None:
    worker.boot()
    worker.wait_for(f"{STATE}/OS_READY")
    worker.cut()
    (worker.root / STATE.lstrip("/") / "OS_READY").unlink()
    assert (worker.root / ENABLED.lstrip("/")).is_symlink(), "the next boot reads them"
    written = worker.root / REWRITTEN.lstrip("/")
    written.mkdir()
    unit = worker.root / UNITS / "ampere-os-ready.service"
    unit.rename(written / unit.name)
    unit.touch()
    worker.boot()
    worker.wait_for(f"{STATE}/OS_READY")


def test_a_worker_waits_for_its_token_and_joins(worker: Booted) -> None:
    join(worker)
    assert not worker.has(f"{STATE}/join/token"), "the token is gone"


def join(worker: Booted, token: str = TOKEN) -> None:
    if not worker.process:
        worker.boot()
    worker.up()
    worker.wait_for(f"{STATE}/PACKAGES_INSTALLED")
    worker.run("sh", "-c", "mkdir -p /served && printf public > /served/cluster-info")
    serve = f"cd /served && exec python3 -m http.server --bind {HOME.cluster.api_address} 6444"
    worker.run("sh", "-c", f"({serve}) >/dev/null 2>&1 &")
    give = worker.run("/usr/local/sbin/ampere-node", "receive-token", stdin=token)
    assert give.returncode == 0, give.stderr
    worker.wait_for(f"{STATE}/NODE_JOINED")


@pytest.mark.parametrize("since", ["joining", "a reboot"])
def test_a_worker_that_was_dismissed_joins_again_with_another_token(
    worker: Booted, since: str
) -> None:
    join(worker)
    if since == "a reboot":
        worker.cut()
        worker.boot()
        worker.up()
    worker.run("touch", "/dismissed")
    join(worker, TOKEN)
    assert worker.has("/dismissed"), "its old token is that of the membership that it has"
    join(worker, OTHER_TOKEN)
    done = [call.split()[1] for call in worker.calls if call.startswith("kubeadm")]
    assert done == ["join", "reset", "join"]
    assert not worker.has(f"{STATE}/join/token")
    await_true(lambda: not worker.is_active("ampere-converge.timer"), "end of the trying")


@pytest.mark.parametrize("seed", range(4))
def test_a_worker_ends_the_same_however_often_its_power_is_cut(worker: Booted, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(4):
        worker.boot()
        end = time.monotonic() + chance.uniform(0.2, 5)
        while time.monotonic() < end:
            if worker.has(f"{STATE}/OS_READY") and not worker.has(f"{STATE}/NODE_JOINED"):
                worker.up()
                worker.run("/usr/local/sbin/ampere-node", "receive-token", stdin=TOKEN)
            time.sleep(0.2)
        worker.cut()
    worker.boot()
    if not worker.has(f"{STATE}/NODE_JOINED"):
        join(worker)
    assert worker.has(f"{STATE}/NODE_JOINED")
