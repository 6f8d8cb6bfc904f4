"""Our keys in the programs that use them: kubeadm, openssl, kubectl, gpg."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from bootstrap_cases import home

from ampere_infra.bootstrap.kubeadm import init_config
from ampere_infra.bootstrap.kubeconfig import Login, kubeconfig
from ampere_infra.bootstrap.node import core, packages
from ampere_infra.bootstrap.node.core import Failed
from ampere_infra.bootstrap.pki import ADMINISTRATORS, spki_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

HOME = home()


def run(*command: object, stdin: bytes = b"") -> bytes:
    program = shutil.which(str(command[0]))
    assert program, f"install {command[0]}"
    words = [program, *map(str, command[1:])]
    done = subprocess.run(words, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """A folder with a CA like the program's: ECDSA P-256, self-signed."""
    folder = tmp_path / "pki"
    folder.mkdir()
    key, certificate = folder / "ca.key", folder / "ca.crt"
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    usage = "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign,cRLSign"
    options = ("-x509", "-days", "3650", "-subj", "/CN=ampere-k8s", "-addext", usage)
    run("openssl", "req", *options, "-key", key, "-out", certificate)
    return folder


def config_for(pki: Path) -> Path:
    text = init_config(HOME.cluster, HOME.master)
    file = pki.with_name("kubeadm.yaml")
    text = text.replace("clusterName:", f"certificatesDir: {pki}\nclusterName:")
    file.write_text(text, encoding="utf-8")
    return file


def test_kubeadm_signs_with_the_ca_that_it_finds(tool: Callable[[str], Path], pki: Path) -> None:
    before = {path.name: path.read_bytes() for path in pki.iterdir()}
    run(tool("kubeadm"), "init", "phase", "certs", "all", "--config", config_for(pki))
    assert {name: (pki / name).read_bytes() for name in before} == before, "the CA is as it was"
    run("openssl", "verify", "-CAfile", pki / "ca.crt", pki / "apiserver.crt")
    text = run("openssl", "x509", "-in", pki / "apiserver.crt", "-noout", "-text").decode()
    for name in (
        "DNS:oppie-server",
        "IP Address:192.168.1.29",
        f"IP Address:{HOME.master.address}",
    ):
        assert name in text, f"the API answers for {name}"


def test_kubeadms_own_administrator_is_in_our_administrators_group(
    tool: Callable[[str], Path], pki: Path, tmp_path: Path
) -> None:
    options = ("--config", config_for(pki), "--kubeconfig-dir", tmp_path)
    run(tool("kubeadm"), "init", "phase", "kubeconfig", "admin", *options)
    view = ("config", "view", "--raw", "--output=json")
    made = json.loads(run(tool("kubectl"), f"--kubeconfig={tmp_path}/admin.conf", *view))
    certificate = made["users"][0]["user"]["client-certificate-data"]
    pem = run("openssl", "base64", "-d", "-A", stdin=certificate.encode())
    subject = run("openssl", "x509", "-noout", "-subject", stdin=pem).decode()
    assert ADMINISTRATORS in subject, "the group that kubeadm binds to cluster-admin"


def test_our_pin_is_the_one_that_kubeadms_manual_computes(pki: Path) -> None:
    pem = run("openssl", "x509", "-pubkey", "-noout", "-in", pki / "ca.crt")
    der = run("openssl", "pkey", "-pubin", "-outform", "der", stdin=pem)
    assert spki_hash(pem.decode()) == f"sha256:{hashlib.sha256(der).hexdigest()}"


def test_kubectl_reads_our_kubeconfig(
    tool: Callable[[str], Path], pki: Path, tmp_path: Path
) -> None:
    ca, key = (pki / "ca.crt").read_text(), (pki / "ca.key").read_text()
    server = "https://192.168.1.29:6443"
    file = tmp_path / "config"
    file.write_text(kubeconfig("ampere-k8s", server, "ampere-admin", Login(ca, ca, key)))
    view = ("config", "view", "--minify", "--raw", "--output=json")
    read: dict[str, Any] = json.loads(run(tool("kubectl"), f"--kubeconfig={file}", *view))
    assert read["current-context"] == "ampere-k8s"
    assert read["clusters"][0]["cluster"]["server"] == server
    pem = run(
        "openssl", "base64", "-d", "-A", stdin=read["users"][0]["user"]["client-key-data"].encode()
    )
    assert pem.decode() == key


@pytest.fixture(scope="module")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """OpenPGP keys as repositories have them: name to fingerprint and armored text."""
    gpg = ("gpg", "--homedir", str(tmp_path_factory.mktemp("gpg")), "--batch", "--quiet")
    made: dict[str, tuple[str, str]] = {}
    for name, algorithm in (("modern", "ed25519"), ("old", "rsa2048")):
        run(*gpg, "--passphrase", "", "--quick-gen-key", f"{name}@test", algorithm, "sign", "1y")
        listed = run(*gpg, "--with-colons", "--list-keys", f"{name}@test").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
        made[name] = (fingerprint, run(*gpg, "--armor", "--export", f"{name}@test").decode())
    both = run(*gpg, "--armor", "--export").decode()
    return made | {"both": ("", both)}


@pytest.mark.parametrize("name", ["modern", "old"])
def test_the_node_computes_the_fingerprint_that_gpg_computes(
    signing_keys: dict[str, tuple[str, str]], name: str
) -> None:
    fingerprint, text = signing_keys[name]
    assert packages.fingerprints(text) == [fingerprint]


@pytest.fixture
def repository(
    signing_keys: dict[str, tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[str]:
    """A server on loopback with the keys, and a node that is a folder."""
    monkeypatch.setattr(core, "ROOT", tmp_path / "root")
    folder = tmp_path / "served"
    folder.mkdir()
    for name, (_, text) in signing_keys.items():
        (folder / name).write_text(text)
    (folder / "page").write_text("<html>not found</html>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_repositorys_key_is_trusted_by_its_fingerprint(
    repository: str, signing_keys: dict[str, tuple[str, str]]
) -> None:
    fingerprint, text = signing_keys["modern"]
    key = {"url": f"{repository}/modern", "fingerprint": fingerprint, "path": "/keyrings/k.asc"}
    packages.trust(key)
    assert core.at("/keyrings/k.asc").read_text() == text


@pytest.mark.parametrize(
    ("served", "message"),
    [("old", "not trusted"), ("both", "not trusted"), ("page", "not trusted"), ("none", "404")],
)
def test_any_other_key_is_not_trusted(
    repository: str, signing_keys: dict[str, tuple[str, str]], served: str, message: str
) -> None:
    fingerprint = signing_keys["modern"][0]
    key = {"url": f"{repository}/{served}", "fingerprint": fingerprint, "path": "/keyrings/k.asc"}
    with pytest.raises(Failed, match=message):
        packages.trust(key)
    assert not core.at("/keyrings/k.asc").exists()


def test_gpgs_own_keyring_check_takes_what_the_node_stores(
    repository: str, signing_keys: dict[str, tuple[str, str]]
) -> None:
    fingerprint, _ = signing_keys["old"]
    path = "/keyrings/k.asc"
    packages.trust({"url": f"{repository}/old", "fingerprint": fingerprint, "path": path})
    assert fingerprint in run("gpg", "--show-keys", "--with-colons", core.at(path)).decode()
