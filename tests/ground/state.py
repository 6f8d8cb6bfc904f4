"""What a proving ground has come to: its cluster, and what its machines look like inside."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from tests.ground.stack import PROJECT
from tests.waiting import await_true

if TYPE_CHECKING:
    from tests.ground.ground import Ground

BOOT_SECONDS = 900
SETTLE_SECONDS = 600
"""A used token goes within three minutes; an emulated control plane may be busy for longer."""
GOLDEN = PROJECT / "tests/ground/end-state.json"
RENEW = "AMPERE_RENEW_GOLDEN"
"""The environment variable with which a run writes the file instead of reading it."""

_LOOK = {
    "markers": "cd /var/lib/ampere && ls -p | grep -v /",
    "held": "apt-mark showhold",
    "failed": "systemctl --failed --plain --no-legend | cut -d' ' -f1",
    "blocked": "cat /run/ampere/blocked/* 2>/dev/null",
    "secrets": "sudo sh -c 'cd /etc/kubernetes && find . -type f | sort'",
    "active": "systemctl is-active containerd kubelet ssh systemd-timesyncd",
    "unfinished": "dpkg --audit",
}


def await_nodes(ground: Ground, *names: str) -> None:
    """Wait until the cluster says that all of ``names`` are ready, and nobody else is there."""
    wanted = {f"{name}=True" for name in names}
    path = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'

    def told() -> str:
        return ground.kubectl("get", "nodes", f"--output=jsonpath={path}", check=False)

    await_true(lambda: set(told().split()) == wanted, "ready nodes", BOOT_SECONDS, 3, told)


def await_ssh(ground: Ground, node: str) -> None:
    """Wait until a machine lets its login in."""

    def answers() -> bool:
        return ground.on(node, "true", check=False).returncode == 0

    def said() -> str:
        return ground.console(node)[-2000:]

    await_true(answers, f"answer of {node}", BOOT_SECONDS, 2, said)


def end_state(ground: Ground) -> dict[str, object]:
    """Return what must be the same after any two runs, without names that are drawn at random."""
    machines = {
        machine: {
            what: ground.on(machine, look, check=False).stdout.splitlines()
            for what, look in _LOOK.items()
        }
        for machine in ground.addresses
    }
    found: dict[str, object] = {
        "machines": machines,
        "pods": pods(ground),
        "tokens": tokens(ground),
    }
    if os.environ.get(RENEW):
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def settled(ground: Ground) -> dict[str, object]:
    """Return the end state as soon as it is the expected one, or as it is after minutes."""
    end = time.monotonic() + SETTLE_SECONDS
    while (found := end_state(ground)) != expected() and time.monotonic() < end:
        time.sleep(5)
    return found


def expected() -> dict[str, object]:
    """Return the end state of a run that nothing happened to."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def pods(ground: Ground) -> list[str]:
    """Return the cluster's pods, by what they run and where."""
    listed: dict[str, Any] = json.loads(ground.kubectl("get", "pods", "-A", "--output=json"))
    return sorted(
        f"{pod['spec']['containers'][0]['name']} on {pod['spec'].get('nodeName')}"
        for pod in listed["items"]
    )


def tokens(ground: Ground) -> list[str]:
    """Return the bootstrap tokens that still open the cluster."""
    chosen = "--field-selector=type=bootstrap.kubernetes.io/token"
    words = ("--namespace=kube-system", "get", "secrets", chosen, "--output=name")
    return ground.kubectl(*words).split()
