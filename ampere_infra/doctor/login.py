"""Whether this machine can log in on the host, and what is to be done where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Finding, bad, here, ok, on_host
from ampere_infra.doctor.reach import TOTAL_SECONDS
from ampere_infra.machines.login import Unusable, known_key, unusable_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.findings import Remedy
    from ampere_infra.doctor.reach import Answer
    from ampere_infra.settings.home import Host


def key_files(host: Host) -> Iterator[Finding]:
    """The user's key can be used, and the host's own is known."""
    yield _file("private key", host.private_key_file, unusable_key(host))
    yield _file("known hosts", host.known_hosts_file, known_key(host))


def _file(check: str, path: str, found: object) -> Finding:
    if not isinstance(found, Unusable):
        return ok(check, path)
    compare = [on_host(f"{found.on_host}, and compare the key")] if found.on_host else []
    steps = [here(command) for command in found.here] or [here("see Pulumi.home.yaml")]
    return bad(check, f"{path}: {found.found}", *steps, *compare)


def login(host: Host, answer: Answer) -> Finding:
    """The host let this user in and ran the probe."""
    to = f"{host.user}@{host.address}"
    if answer.facts.whole:
        return ok("login", f"{to}, without a question")
    if answer.status is None and not answer.complaint:
        found = f"{to} did not come to an end within {TOTAL_SECONDS:.0f} s"
        return bad("login", found, on_host("see whether it hangs: uptime; sudo dmesg | tail"))
    said = answer.complaint or f"ended with {answer.status}"
    return bad("login", f"{to}: {said}", *_remedies(host, said))


def _remedies(host: Host, said: str) -> Iterator[Remedy]:
    """Yield what helps against OpenSSH's words."""
    text = said.lower()
    own = f"{host.user}@{host.address}"
    if "no ssh on path" in text:
        yield here("sudo apt install openssh-client; on Windows: Settings, Optional features")
    elif "bad permissions" in text or "unprotected" in text or "are too open" in text:
        yield here(f"chmod 600 {host.private_key_file}")
    elif "host key" in text or "identification has changed" in text:
        yield on_host("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, to compare with")
        yield here(f"ssh-keygen -lF {host.address}; if it changed: ssh-keygen -R {host.address}")
        yield here(f"ssh-keyscan -t ed25519 {host.address} >> {host.known_hosts_file}")
    elif "permission denied" in text:
        yield here(f"ssh-copy-id -i {host.private_key_file} {own}")
    elif "refused" in text:
        yield on_host("sudo apt install openssh-server && sudo systemctl enable --now ssh")
    elif any(word in text for word in ("timed out", "no route", "unreachable", "not resolve")):
        yield on_host("see that it is on and has that address: ip -4 address; sudo ufw status")
        yield here(f"ping {host.address}")
    else:
        yield here(f"ssh -v -i {host.private_key_file} {own} true")
