"""What OpenSSH and the system's own tools make of what the program reads and writes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ampere_infra.machines.known_hosts import HostKey, host_key
from ampere_infra.machines.kvm_host import kvm_host
from ampere_infra.machines.seed import meta_data, nocloud_image
from ampere_infra.settings.home import Host
from ampere_infra.settings.mistakes import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"
ED_KEY = HostKey("ssh-ed25519", ED)


def run(*words: str) -> str:
    program = shutil.which(words[0])
    assert program, f"{words[0]} is not installed"
    done = subprocess.run([program, *words[1:]], check=True, capture_output=True, text=True)
    return done.stdout


def settings(folder: Path) -> Host:
    return Host.model_validate(
        {
            "name": "oppie-server",
            "user": "oppie",
            "address": "192.168.1.29",
            "private_key_file": str(folder / "key"),
            "known_hosts_file": str(folder / "known_hosts"),
        }
    )


def test_what_ssh_keygen_hashes_is_found(tmp_path: Path):
    file = tmp_path / "known_hosts"
    file.write_text(f"oppie-server,192.168.1.29 ssh-ed25519 {ED}\n", encoding="utf-8")
    run("ssh-keygen", "-H", "-f", str(file))
    text = file.read_text(encoding="utf-8")
    assert "oppie" not in text, "ssh-keygen hashed the names"
    assert host_key(text, ["192.168.1.29"]) == ED_KEY
    assert host_key(text, ["oppie-server"]) == ED_KEY
    assert host_key(text, ["oppie"]) is None


@pytest.mark.parametrize("words", [["-t", "ed25519"], ["-m", "PEM", "-t", "rsa", "-b", "2048"]])
def test_a_key_of_ssh_keygen_is_taken_unless_a_passphrase_shuts_it(
    tmp_path: Path, words: list[str]
):
    (tmp_path / "known_hosts").write_text(f"192.168.1.29 ssh-ed25519 {ED}\n")
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-f", str(key), "-N", "", *words)
    assert kvm_host(settings(tmp_path), tmp_path).private_key.get_secret_value() == key.read_text()
    key.unlink()
    run("ssh-keygen", "-q", "-f", str(key), "-N", "a passphrase", *words)
    with pytest.raises(SettingsError, match="passphrase"):
        kvm_host(settings(tmp_path), tmp_path)


def test_ssh_understands_its_words(tmp_path: Path):
    (tmp_path / "known_hosts").write_text(f"192.168.1.29 ssh-ed25519 {ED}\n")
    run("ssh-keygen", "-q", "-f", str(tmp_path / "key"), "-N", "")
    ssh, *words = kvm_host(settings(tmp_path), tmp_path).ssh
    told = run(ssh, "-G", *words)
    assert "stricthostkeychecking true" in told
    assert "batchmode yes" in told
    assert "userknownhostsfile .ampere/known_hosts" in told


def test_the_system_sees_a_file_system_with_the_label(tmp_path: Path):
    image = tmp_path / "seed.iso"
    image.write_bytes(nocloud_image("#cloud-config", "version: 2", meta_data("n", "0" * 12)))
    seen = run("blkid", "-p", str(image))
    assert 'LABEL="cidata"' in seen
    assert 'TYPE="iso9660"' in seen
