"""Which packages a node gets and from where; what differs between distributions is data here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ampere_infra.templates import render

if TYPE_CHECKING:
    from ampere_infra.bootstrap.spec import ClusterSpec, Tailnet

TAILSCALE: Final = "tailscale"
"""The package, and what its repository is called here."""


@dataclass(frozen=True)
class Distribution:
    """What the bootstrap must know of an operating system."""

    suite: str
    """Its name in the repositories."""
    mirror: str
    security_mirror: str
    containerd_repository: str
    containerd_package: str
    tools: tuple[str, ...]
    """Packages at any version that Kubernetes, Cilium and the bootstrap need."""


DISTRIBUTIONS: Final = {
    "ubuntu-24.04": Distribution(
        suite="noble",
        mirror="http://archive.ubuntu.com/ubuntu",
        security_mirror="http://security.ubuntu.com/ubuntu",
        containerd_repository="https://download.docker.com/linux/ubuntu",
        containerd_package="containerd.io",
        tools=("conntrack", "ethtool", "iptables", "socat"),
    ),
    "debian-13": Distribution(
        suite="trixie",
        mirror="http://deb.debian.org/debian",
        security_mirror="http://deb.debian.org/debian-security",
        containerd_repository="https://download.docker.com/linux/debian",
        containerd_package="containerd.io",
        tools=("conntrack", "ethtool", "iptables", "socat"),
    ),
}


@dataclass(frozen=True)
class Source:
    """A signed package repository beside the distribution's own."""

    name: str
    uri: str
    suite: str
    components: str
    key_url: str
    fingerprint: str
    """Of the only key that may sign it; a mirror serves the same key."""

    @property
    def keyring(self) -> str:
        """Where the node keeps the key."""
        return f"/etc/apt/keyrings/ampere-{self.name}.asc"


def distribution(cluster: ClusterSpec) -> Distribution:
    """Return what is known of the cluster's operating system."""
    return DISTRIBUTIONS[cluster.distribution]


def sources(cluster: ClusterSpec) -> tuple[Source, ...]:
    """Return the repositories of Kubernetes, of the container runtime and, if wanted, Tailscale."""
    known, minor = distribution(cluster), cluster.kubernetes.rpartition(".")[0]
    kubernetes = cluster.packages.kubernetes_repository.replace("{minor}", minor).rstrip("/")
    containerd = (cluster.packages.containerd_repository or known.containerd_repository).rstrip("/")
    tailnet = (tailscale_source(cluster.distribution, cluster.tailnet),) if cluster.tailnet else ()
    return (
        Source(
            name="kubernetes",
            uri=f"{kubernetes}/",
            suite="/",
            components="",
            key_url=f"{kubernetes}/Release.key",
            fingerprint=cluster.packages.kubernetes_key,
        ),
        Source(
            name="containerd",
            uri=containerd,
            suite=known.suite,
            components="stable",
            key_url=f"{containerd}/gpg",
            fingerprint=cluster.packages.containerd_key,
        ),
        *tailnet,
    )


def tailscale_source(distribution: str, tailnet: Tailnet) -> Source:
    """Return Tailscale's repository for the distribution (https://pkgs.tailscale.com/stable/)."""
    family, suite = distribution.partition("-")[0], DISTRIBUTIONS[distribution].suite
    uri = f"{tailnet.repository.rstrip('/')}/{family}"
    return Source(
        name=TAILSCALE,
        uri=uri,
        suite=suite,
        components="main",
        key_url=f"{uri}/{suite}.asc",
        fingerprint=tailnet.key,
    )


def pinned(cluster: ClusterSpec) -> dict[str, str]:
    """Return packages and their version patterns, as apt takes them; any version where empty.

    Kubernetes' packages are named like 1.36.3-1.1, Docker's like 2.1.5-1~ubuntu.24.04~noble.
    """
    known = distribution(cluster)
    kubernetes = dict.fromkeys(("kubeadm", "kubectl", "kubelet"), f"{cluster.kubernetes}-*")
    runtime = {known.containerd_package: f"{cluster.containerd}-*"}
    tailscale = {TAILSCALE: cluster.tailnet.version} if cluster.tailnet else {}
    return kubernetes | runtime | tailscale | dict.fromkeys(("cri-tools", *known.tools), "")


def apt_files(cluster: ClusterSpec) -> dict[str, str]:
    """Return apt's configuration: repositories, and versions that no upgrade moves."""
    files = dict(source_file(source) for source in sources(cluster))
    preferences = render(
        "bootstrap/preferences.j2", cluster=cluster, distribution=distribution(cluster)
    )
    return files | {"/etc/apt/preferences.d/ampere": preferences}


def source_file(source: Source) -> tuple[str, str]:
    """Return path and text of what tells apt of a repository."""
    text = render("bootstrap/source.j2", source=source)
    return f"/etc/apt/sources.list.d/ampere-{source.name}.sources", text


def mirrors(cluster: ClusterSpec) -> tuple[str, str]:
    """Return where the distribution's own packages and their security updates come from."""
    known, mirror = distribution(cluster), cluster.packages.apt_mirror
    return (mirror, mirror) if mirror else (known.mirror, known.security_mirror)
