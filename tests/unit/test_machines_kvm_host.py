"""The KVM host: what is read before anything is planned, and how it is reached."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from bootstrap_cases import home_settings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from machines_cases import USER_KEY, host

from ampere_infra.machines.kvm_host import kvm_host
from ampere_infra.machines.login import KNOWN_HOSTS, expanded
from ampere_infra.settings.mistakes import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.settings.home import Host

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"


OPEN = Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
)
SHUT_PEM = Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
)
SHUT_OPENSSH = (
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + base64.b64encode(b"openssh-key-v1\x00\x00\x00\x00\x0aaes256-ctr\x00\x00\x00\x06bcrypt")
    + b"\n-----END OPENSSH PRIVATE KEY-----\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Host:
    known = tmp_path / "known_hosts"
    known.write_text(f"oppie-server ssh-ed25519 {ED}\n", encoding="utf-8")
    (tmp_path / "key").write_bytes(OPEN)
    (tmp_path / "key.pub").write_text(f"ssh-ed25519 {ED} me\n")
    files = {"private_key_file": str(tmp_path / "key"), "known_hosts_file": str(known)}
    return home_settings().host.model_copy(update=files)


def refusal(settings: Host, project: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        kvm_host(settings, project)
    return str(refused.value)


def test_the_pinned_key_alone_is_written_for_those_who_read_a_file(settings: Host, tmp_path: Path):
    pinned = kvm_host(settings, tmp_path).host_key
    assert str(pinned) == f"ssh-ed25519 {ED}"
    assert (tmp_path / KNOWN_HOSTS).read_bytes() == f"192.168.1.29 ssh-ed25519 {ED}\n".encode(), (
        "under the address, which is what everything dials"
    )


def test_an_unknown_host_is_refused_with_what_to_run_and_where(settings: Host, tmp_path: Path):
    (tmp_path / "known_hosts").write_text("")
    said = refusal(settings, tmp_path)
    for word in ("ampere:host.known_hosts_file", "oppie-server", "ssh-keyscan", "this machine"):
        assert word in said


def test_missing_files_are_all_named_at_once(settings: Host, tmp_path: Path):
    gone = settings.model_copy(
        update={"private_key_file": "~/no/such/key", "known_hosts_file": "~/no/such/hosts"}
    )
    said = refusal(gone, tmp_path)
    for word in ("~/no/such/key", "~/no/such/hosts", "ssh-keygen", "ssh-copy-id", "ssh-keyscan"):
        assert word in said


def test_a_host_known_by_another_kind_of_key_is_refused(settings: Host, tmp_path: Path):
    (tmp_path / "known_hosts").write_text("oppie-server ssh-rsa AAAA\n")
    assert "ED25519" in refusal(settings, tmp_path), "libvirt's client would not agree on it"


@pytest.mark.parametrize("key", [SHUT_PEM, SHUT_OPENSSH])
def test_a_key_with_a_passphrase_is_refused(settings: Host, tmp_path: Path, key: bytes):
    (tmp_path / "key").write_bytes(key)
    assert "passphrase" in refusal(settings, tmp_path)


def test_a_public_key_is_no_private_key(settings: Host, tmp_path: Path):
    public = settings.model_copy(update={"private_key_file": f"{settings.private_key_file}.pub"})
    said = refusal(public, tmp_path)
    assert "no OpenSSH or PEM private key" in said


def test_an_error_never_shows_a_key(settings: Host, tmp_path: Path):
    text = (tmp_path / "key").read_text()
    (tmp_path / "known_hosts").write_text("")
    said = refusal(settings, tmp_path)
    assert not any(line in said for line in text.splitlines())


def test_a_key_checked_out_on_windows_is_the_same_key(settings: Host, tmp_path: Path):
    file = tmp_path / "key"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert kvm_host(settings, tmp_path).key_file == str(file)


def uri_of(key_file: str) -> dict[str, str]:
    reached = host()
    object.__setattr__(reached, "key_file", key_file)
    parts = urlsplit(reached.libvirt_uri)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "qemu+ssh",
        "oppie@192.168.1.29",
        "/system",
    )
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


@pytest.mark.parametrize(
    "key_file",
    ["~/.ssh/id_ed25519", "C:/Users/An na/.ssh/id", "/home/a+b/k&ey", "/home/ä/k#y%20"],
)
def test_the_libvirt_uri_spells_every_path(key_file: str):
    assert uri_of(key_file)["keyfile"] == key_file


def test_the_libvirt_uri_relies_on_no_default_and_verifies():
    query = uri_of("~/.ssh/id_ed25519")
    assert query["knownhosts"] == KNOWN_HOSTS, "the default reads ${HOME}, unset on Windows"
    assert query["sshauth"] == "privkey"
    assert "no_verify" not in query


def test_ssh_asks_nobody_and_trusts_the_pinned_key_only():
    words = host().ssh
    for option in (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={KNOWN_HOSTS}",
        "IdentitiesOnly=yes",
    ):
        assert option in words
    assert words[-1] == "oppie@192.168.1.29"


def test_a_windows_path_becomes_one_with_slashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~\\.ssh\\id_ed25519") == f"{tmp_path}/.ssh/id_ed25519"
    assert expanded("C:\\Users\\anna\\key") == "C:/Users/anna/key"


def test_a_host_does_not_print_its_key():
    assert USER_KEY not in repr(host())
