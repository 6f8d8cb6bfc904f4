"""Stage 4: a worker joins, with the CA pinned and its own token, however often it is cut off."""

from __future__ import annotations

import time
import urllib.request

from .core import Failed, ask, at, facts, mark, private_folder, room, run, say, write
from .receive import TOKEN

KUBELET = "/etc/kubernetes/kubelet.conf"
TEMPLATE = "/etc/ampere/kubeadm-join.yaml"
LEFTOVERS = ("kubelet.conf", "bootstrap-kubelet.conf", "pki/ca.crt")
"""Files of an interrupted ``kubeadm join``, over which the next one would stumble."""
ROOM = 512
"""MiB: the kubelet's files and the first images."""
PLACEHOLDER = "abcdef.0123456789abcdef"
"""Where the token goes in the configuration that cloud-init wrote; kubeadm's own sample token."""


def join() -> None:
    """Join the cluster and earn ``NODE_JOINED`` when the node is registered and ready.

    Raises:
        Failed: the control plane does not answer yet, or kubeadm failed.
    """
    known = facts()
    room("/", ROOM)
    if not registered(known["name"]):
        check_control_plane(known["api_address"], known["join_port"])
        if any(at(f"/etc/kubernetes/{name}").exists() for name in LEFTOVERS):
            say("an earlier try was interrupted: starting afresh")
            run("kubeadm", "reset", "--force")
        kubeadm_join()
    await_ready(known["name"])
    # Without its token and its marker nothing would go on after a power cut.
    mark("NODE_JOINED", instead_of=at(TOKEN))


def registered(name: str) -> bool:
    """Return whether the kubelet's own credentials already read its node."""
    return at(KUBELET).exists() and node(name, "{.metadata.name}") == name


def node(name: str, path: str) -> str:
    """Return what ``path`` is in the node's own object, or nothing."""
    kubelet = f"--kubeconfig={at(KUBELET)}"
    return ask("kubectl", kubelet, "get", "node", name, f"--output=jsonpath={path}")[1]


def check_control_plane(address: str, port: int) -> None:
    """Make sure that the control plane says that it takes workers; what it sends is not used."""
    url = f"http://{address}:{port}/cluster-info"
    try:
        with urllib.request.urlopen(url, timeout=10):
            return
    except OSError as error:
        raise Failed(f"the control plane takes no workers yet: {url}: {error}") from error


def kubeadm_join() -> None:
    """Run ``kubeadm join`` with the token put into the pinned configuration, in memory."""
    text = at(TEMPLATE).read_text(encoding="utf-8")
    token = at(TOKEN).read_text(encoding="utf-8").strip()
    folder = private_folder("/run/ampere/join")
    config = folder / "kubeadm-join.yaml"
    write(config, text.replace(PLACEHOLDER, token), 0o600)
    try:
        run("kubeadm", "join", f"--config={config}")
    finally:
        config.unlink(missing_ok=True)


def await_ready(name: str) -> None:
    """Wait up to 5 minutes until the node is ready: its network is up as well then."""
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    for _ in range(100):
        if node(name, condition) == "True":
            return
        time.sleep(3)
    raise Failed(f"{name} is registered, but not ready")
