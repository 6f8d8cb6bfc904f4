"""What runs on the KVM host: short POSIX shell, each text a pure function of the settings.

Each can be interrupted anywhere and run again. Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ampere_infra.templates import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from ampere_infra.settings.home import Image

SCAN_PAUSE: Final = 5
"""Seconds between two looks for a machine's SSH."""

PATIENCE: Final = 10
"""Seconds that a program on the host has for its answer when it is only asked something."""

ABSTRACTIONS: Final = (
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
    "/etc/apparmor.d/abstractions/libvirt-qemu",
)
"""Where Ubuntu's AppArmor profiles say what every machine may read; the first is for additions."""

_PLACES: Final = {
    "kvm": "/dev/kvm",
    "interfaces": "/sys/class/net",
    "nginx_modules": "/etc/nginx/modules-enabled",
    "sbin": "/usr/sbin",
}


def base_volume(image: Image) -> str:
    """The name of ``image`` in the pool: another image is another volume."""
    return f"base-{image.sha256[:12]}.qcow2"


def marker(cluster: str, node: str) -> str:
    """What a machine's description says, so that leftovers of ours are told from other machines."""
    return f"{owner(cluster)}/{node}"


def owner(cluster: str) -> str:
    """The part of the marker that all machines of a cluster share."""
    return f"ampere-infra:{cluster}"


def preflight(
    cluster: str,
    pool_path: str,
    *,
    bridge: str | None,
    sudo_probe: Sequence[str],
    stream: bool,
    **places: object,
) -> str:
    """Check the host and say what to do where it is not ready.

    ``sudo_probe`` is one command of each kind that must run as root for the NGINX front; with
    none, NGINX is not looked for.
    """
    wanted = ready(
        cluster, pool_path, bridge=bridge, sudo_probe=sudo_probe, stream=stream, **places
    )
    return render("host/preflight.j2", **wanted)


def ready(
    cluster: str,
    pool_path: str,
    *,
    bridge: str | None,
    sudo_probe: Sequence[str],
    stream: bool,
    **places: object,
) -> dict[str, object]:
    """What ``templates/host/ready.j2`` needs, which says of a host whether it is ready."""
    return {
        **_PLACES,
        "abstractions": ABSTRACTIONS,
        "cluster": cluster,
        "pool_path": pool_path,
        "rule": f"  {pool_path}/** rwk,",
        "bridge": bridge,
        "nginx": bool(sudo_probe),
        "stream": stream,
        "sudo_probe": sudo_probe,
        "patience": PATIENCE,
        **places,
    }


def base_image(pool: str, image: Image) -> str:
    """Download, check and upload the image; stdout is the volume's name."""
    return render(
        "host/base_image.j2",
        pool=pool,
        volume=base_volume(image),
        url=image.url,
        sha256=image.sha256,
    )


def sweep(cluster: str) -> str:
    """Remove what interrupted runs left behind, when the cluster goes; data volumes stay."""
    return render("host/sweep.j2", pool=cluster, marker=owner(cluster))


def host_key(node: str, address: IPv4Address, timeout: int, pause: int = SCAN_PAUSE) -> str:
    """Wait for a machine's SSH, ``timeout`` seconds at most; stdout is its ED25519 host key."""
    return render("host/host_key.j2", node=node, address=str(address), timeout=timeout, pause=pause)


def lookout(  # noqa: PLR0913 - tests do not pause
    node: str,
    login: str,
    address: IPv4Address,
    gate: str,
    deadline: int,
    *,
    pause: int = SCAN_PAUSE,
) -> str:
    """Wait for a machine from the host, over connections that are renewed when they break.

    Behind NAT nothing tells the provider's own client that a machine has lost its power: the
    host's end of the tunnel stays open, and neither side sends a word. From the host, OpenSSH
    notices within 40 seconds. Standard input is a line of ``known_hosts``, then the private key.

    Args:
        node: the machine.
        login: the account on it.
        address: where it answers.
        gate: POSIX sh text that waits on the machine and takes ``waited``, the seconds that were
            waited before; its stdout and status are passed on.
        deadline: seconds after which a machine that does not answer is given up.
        pause: seconds before a connection is tried again.
    """
    return render(
        "host/lookout.j2",
        node=node,
        login=login,
        address=str(address),
        gate=gate.rstrip("\n"),
        deadline=deadline,
        pause=pause,
    )


def clear_pool(name: str, path: str) -> str:
    """Remove a pool that an interrupted run left; refuse one that is not ours."""
    return render("host/clear_pool.j2", name=name, path=path)


def clear_network(name: str, bridge: str) -> str:
    """Remove a network that an interrupted run left; refuse one that is not ours."""
    return render("host/clear_network.j2", name=name, bridge=bridge)


def clear_domain(cluster: str, name: str) -> str:
    """Remove a machine that an interrupted run left; refuse one that is not ours."""
    return render("host/clear_domain.j2", name=name, marker=marker(cluster, name))
