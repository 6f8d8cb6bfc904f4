"""What is looked for on every machine, whoever has made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.leaks import canaries, generated

if TYPE_CHECKING:
    from ampere_infra.rehearsal.leaks import Canary
    from tests.ground.ground import Ground

LEFT = ("/var/log/cloud-init.log", "/var/log/cloud-init-output.log", "/var/lib/cloud")
"""Where cloud-init keeps what it was told and what it did, beside ``/run/cloud-init``."""


def check_doors(ground: Ground, machine: str) -> None:
    """Make sure that a machine lets nobody in but its login, and that by key only."""
    address, login = ground.addresses[machine], ground.settings.cluster.login
    ask = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    none = ("-o", "PreferredAuthentications=none", "-o", "BatchMode=yes")
    refused = ground.host.run(*ask, *none, f"{login}@{address}", "true", check=False)
    assert "(publickey)" in refused.stderr, f"{machine} offers nothing but keys"
    key = ("-i", str(ground.key()), "-o", "BatchMode=yes")
    root = ground.host.run(*ask, *key, f"root@{address}", "true", check=False)
    assert root.returncode == 255, f"{machine} lets root in"
    shadow = ground.on(machine, "sudo cut -d: -f1,2 /etc/shadow").stdout
    open_ = [line for line in shadow.splitlines() if line.split(":")[1][:1] not in "!*"]
    assert not open_, f"{machine}: no account has a password"


def check_host_key(ground: Ground, machine: str) -> None:
    """Make sure that the host key that the program has pinned is the machine's own."""
    pinned = ground.recorded(f"{machine}-host-key")["stdout"]
    own = ground.on(machine, "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
    assert pinned.split()[:2] == own.split()[:2]
    flags = ground.on(machine, "sudo lsattr /etc/ssh/ssh_host_ed25519_key*").stdout.splitlines()
    assert len(flags) == 2, f"{machine}: a private and a public half"
    assert all("S" in line.split()[0] for line in flags), f"{machine}: they were written at once"


def secrets_of(ground: Ground) -> list[Canary]:
    """Return what to look for: all secrets that the stack was given, and that it made."""
    state = ground.stage.engine.export(show_secrets=True)
    kept = ground.stage.project.secrets.items()
    sought = [*generated(state), *(c for item in kept for c in canaries(*item))]
    assert len(sought) > 10, "the stack has secrets to look for"
    return sought


def check_cloud_init(ground: Ground, machine: str) -> None:
    """Make sure that no secret of the stack is in what cloud-init left on a machine."""
    patterns = "".join(f"{canary.text}\n" for canary in secrets_of(ground))
    look = f"sudo grep -rlFf - {' '.join(LEFT)} /run/cloud-init"
    found = ground.on(machine, look, stdin=patterns, check=False)
    assert found.returncode == 1, f"{machine}: {found.stdout}{found.stderr}"
