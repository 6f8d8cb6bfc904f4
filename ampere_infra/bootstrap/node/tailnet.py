"""The program ``ampere-tailnet``: the node joins a tailnet, answers in it, and leaves it again.

https://tailscale.com/kb/1080/cli and ``tailscale status --json``
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any

from .core import Failed, ask, at, facts, private_folder, run, say, write
from .packages import APT, INSTALL, finish, forget_fetched, trust
from .pki import PKI

if TYPE_CHECKING:
    from collections.abc import Callable

AUTH_KEY = "/run/ampere/tailscale/auth-key"
"""In memory, for as long as ``tailscale up`` runs."""
PROGRAM = "/usr/local/sbin/ampere-tailnet"
LEAVING = "ampere-leave-tailnet.service"
TOLD_TO_LEAVE = "/run/ampere/leaves-tailnet"
LOGOUT_SECONDS = 30
KUBERNETES_PKI = "/etc/kubernetes/pki"
INIT_CONFIG = "/etc/ampere/kubeadm-init.yaml"
PAUSE = 5
ANSWER_TRIES = 12
"""A minute: what ``tailscale up`` was told takes some seconds to come back as a name."""
RELOAD_TRIES = 36
"""Three minutes: the API server looks at the file of its certificate every minute."""


def main(arguments: list[str]) -> int:
    """Run one command; 0 done, 1 failed and worth another try, 2 not a command."""
    commands: dict[str, Callable[..., None]] = {
        "join": join,
        "check": check,
        "certificate": certificate,
        "leave": leave,
        "leave-at-shutdown": leave_at_shutdown,
        "stopping": stopping,
    }
    if not arguments or arguments[0] not in commands:
        say(f"ampere-tailnet: use one of {', '.join(commands)}")
        return 2
    name, *rest = arguments
    try:
        commands[name](*rest)
    except Failed as failure:
        say(f"ampere-tailnet {name}: {failure}")
        return 1
    return 0


def join() -> None:
    """Join as the JSON on standard input says, whose ``auth_key`` is a secret; print since when.

    Raises:
        Failed: the package cannot be had, or the tailnet does not take the node.
    """
    given: dict[str, Any] = json.loads(sys.stdin.read())
    if installed() != given["version"]:
        install(given)
    run("systemctl", "enable", "--now", "tailscaled.service")
    if told_name() != given["name"]:
        log_in(given)
    check(given["name"])
    sys.stdout.write(f"in the tailnet since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")


def installed() -> str:
    """Return the version of the package, or nothing."""
    shown = ("--show", "--showformat=${db:Status-Abbrev}${Version}")
    status, told, _ = ask("dpkg-query", *shown, "tailscale")
    return told.removeprefix("hi ").removeprefix("ii ").strip() if status == 0 else ""


def install(given: dict[str, Any]) -> None:
    """Install and hold the package; a node that was born for a tailnet has it already."""
    for path, text in given["files"].items():
        write(at(path), text)
    trust(given["key"])
    finish()
    forget_fetched()
    run(*APT, "update", "--error-on=any")
    run(*INSTALL, f"tailscale={given['version']}")
    run("apt-mark", "hold", "tailscale")


def log_in(given: dict[str, Any]) -> None:
    """Run ``tailscale up`` with the key in a file that only root may read, and that goes again."""
    private_folder(AUTH_KEY.rpartition("/")[0])
    key = at(AUTH_KEY)
    write(key, given["auth_key"], 0o600)
    try:
        run(
            *("tailscale", "up", "--reset", f"--auth-key=file:{key}"),
            f"--hostname={given['hostname']}",
            f"--advertise-tags={','.join(given['tags'])}",
            # The node keeps its resolver, and takes nobody's routes.
            *("--accept-dns=false", "--accept-routes=false"),
            f"--timeout={given['timeout']}s",
        )
    finally:
        key.unlink(missing_ok=True)


def state() -> dict[str, Any]:
    """Return what the daemon says of itself; nothing where there is none."""
    status, told, _ = ask("tailscale", "status", "--json", "--peers=false")
    return json.loads(told) if status == 0 else {}


def told_name() -> str:
    """Return the name that the tailnet has for this node, or nothing while it is no member."""
    told = state()
    if told.get("BackendState") != "Running":
        return ""
    return str(told["Self"]["DNSName"]).rstrip(".")


def check(name: str) -> None:
    """Make sure that the node is in the tailnet, has ``name`` there, and stays.

    Raises:
        Failed: it is not, or the tailnet has another name for it.
    """
    at(TOLD_TO_LEAVE).unlink(missing_ok=True)
    found = ""
    for _ in range(ANSWER_TRIES):
        found = told_name()
        if found == name:
            return
        time.sleep(PAUSE)
    if not found:
        reason = ", ".join(state().get("Health") or []) or "journalctl --unit=tailscaled says more"
        raise Failed(f"this node is in no tailnet: {reason}")
    raise Failed(
        f"the tailnet calls this node {found}, not {name}: another machine has that name, remove "
        "it in Tailscale's admin console; or ampere:tailscale.tailnet is another tailnet's"
    )


def certificate(name: str) -> None:
    """Have the API server answer as ``name``; nothing changes where it does so already.

    kubeadm never changes a certificate that is there, so that one goes first. The API server takes
    up the new one by itself. The cluster's own copy of the configuration, which an upgrade makes
    certificates from, is renewed as well.

    Raises:
        Failed: kubeadm fails, or the API server does not take the certificate up.
    """
    if answers_as(name):
        return
    config = at(INIT_CONFIG)
    text, entry = config.read_text(encoding="utf-8"), f'    - "{name}"\n'
    if entry not in text:
        write(config, text.replace("  certSANs:\n", f"  certSANs:\n{entry}"), 0o600)
    for file in ("apiserver.crt", "apiserver.key"):
        at(f"{KUBERNETES_PKI}/{file}").unlink(missing_ok=True)
    run("kubeadm", "init", "phase", "certs", "apiserver", f"--config={config}")
    for _ in range(RELOAD_TRIES):
        if answers_as(name):
            run("kubeadm", "init", "phase", "upload-config", "kubeadm", f"--config={config}")
            say(f"the API server answers as {name}")
            return
        time.sleep(PAUSE)
    raise Failed(f"the API server does not answer as {name}")


def answers_as(name: str) -> bool:
    """Return whether the API server's certificate is the cluster's, and names ``name``."""
    known = facts()
    context = ssl.create_default_context(cafile=str(at(f"{PKI}/ca.crt")))
    address = (known["api_address"], known["api_port"])
    try:
        with (
            socket.create_connection(address, timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return True
    except OSError:
        return False


def leave() -> None:
    """Log out; where the node is in no tailnet, nothing is done."""
    if state().get("BackendState", "NoState") in ("NoState", "NeedsLogin"):
        say("this node is in no tailnet")
        return
    run("tailscale", "logout", timeout=LOGOUT_SECONDS)
    say("this node has left its tailnet")


def leave_at_shutdown() -> None:
    """Log out when the machine stops: whoever asks for it is connected through the tailnet.

    A unit that does nothing but to be stopped, before the daemon and the network are.
    """
    write(at(TOLD_TO_LEAVE), "")
    if ask("systemctl", "is-active", "--quiet", LEAVING)[0] == 0:
        return
    order = [f"--property=After={unit}" for unit in ("tailscaled.service", "network-online.target")]
    stop = f"--property=ExecStop={PROGRAM} stopping"
    run("systemd-run", "--remain-after-exit", f"--unit={LEAVING}", *order, stop, "/usr/bin/true")
    say("this node leaves its tailnet when it is shut down")


def stopping() -> None:
    """Log out, if that was asked for and not taken back."""
    if at(TOLD_TO_LEAVE).exists():
        leave()
