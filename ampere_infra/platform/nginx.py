"""The NGINX front on the KVM host: the services' names, and behind NAT the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi

from ampere_infra.bootstrap.spec import API_PORT
from ampere_infra.machines.commands import Script, on_host
from ampere_infra.templates import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from pulumi_command import remote

    from ampere_infra.machines.kvm_host import KvmHost
    from ampere_infra.settings.home import Services

HTTP_LISTEN: Final = "80"
PAGE_SECONDS: Final = 300
OBJECT_SECONDS: Final = 3600
"""How long one object may take, between two of its bytes."""


@dataclass(frozen=True)
class Site:
    """One name and where its requests go."""

    name: str
    domain: str
    port: int
    streams: bool
    """Whether bodies pass through unbuffered, whatever their size."""

    @property
    def timeout(self) -> int:
        """Seconds of silence after which a request is given up."""
        return OBJECT_SECONDS if self.streams else PAGE_SECONDS


def sites(services: Services) -> tuple[Site, ...]:
    """The sites of ``services``."""
    domains, ports = services.domains, services.node_ports
    return (
        Site("minio", domains.minio, ports.minio, streams=True),
        Site("s3", domains.s3, ports.s3, streams=True),
        Site("airflow", domains.airflow, ports.airflow, streams=False),
    )


def http_config(
    cluster: str,
    sites: Sequence[Site],
    backends: Sequence[IPv4Address],
    listen: str = HTTP_LISTEN,
) -> str:
    """The virtual hosts, for ``/etc/nginx/conf.d``; with no backend they answer 503."""
    return render(
        "nginx/http.conf.j2",
        cluster=cluster,
        variable=_variable(cluster),
        sites=sites,
        backends=[str(backend) for backend in backends],
        listen=listen,
    )


def stream_config(cluster: str, listen: str, api: IPv4Address, port: int = API_PORT) -> str:
    """The listener in front of the API; ``stream`` stands beside ``http``, not inside it."""
    return render("nginx/stream.conf.j2", cluster=cluster, listen=listen, api=str(api), port=port)


def http_path(cluster: str) -> str:
    """Where Ubuntu's NGINX includes virtual hosts from."""
    return f"/etc/nginx/conf.d/{cluster}.conf"


def stream_path(cluster: str) -> str:
    """Where Ubuntu's NGINX includes top-level configuration from, after the modules (50-)."""
    return f"/etc/nginx/modules-enabled/90-{cluster}-stream.conf"


def install_script(path: str) -> str:
    """Put stdin at ``path``, or leave everything as it was where NGINX refuses it."""
    return render("host/nginx_install.j2", path=path)


def remove_script(path: str) -> str:
    """Take ``path`` away."""
    return render("host/nginx_remove.j2", path=path)


def sudo_commands(paths: Sequence[str]) -> tuple[str, ...]:
    """Every command that the front runs as root, as sudoers spells it."""
    each = [
        command
        for path in paths
        for command in (
            f"/usr/bin/install -m 0644 /dev/stdin {path}.new",
            f"/usr/bin/install -m 0644 {path} {path}.previous",
            f"/usr/bin/mv -f {path}.new {path}",
            f"/usr/bin/mv -f {path}.previous {path}",
            *(f"/usr/bin/rm -f {path}{suffix}" for suffix in ("", ".new", ".previous")),
        )
    ]
    return (*each, "/usr/sbin/nginx -t", "/usr/bin/systemctl reload-or-restart nginx")


def _variable(cluster: str) -> str:
    return cluster.replace("-", "_")


@dataclass(frozen=True)
class NginxFrontArgs:
    """What the front serves."""

    cluster: str
    host: KvmHost
    http: str
    stream: str | None
    """None where the API is on the LAN by itself."""
    apply: bool = True
    """Whether the host is touched at all."""


class NginxFront(pulumi.ComponentResource):
    """The front, installed on the host."""

    stream: pulumi.Resource | None
    """The gate of whatever speaks to the API through the host."""
    http: pulumi.Resource | None

    def __init__(
        self, name: str, args: NginxFrontArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:NginxFront", name, None, opts)
        self._args = args
        self.stream = self.http = None
        if args.apply and args.stream is not None:
            self.stream = self._file(f"{name}-stream", stream_path(args.cluster), args.stream, [])
        if args.apply:
            # Each file is tested with all others, so they are installed one after the other.
            before = [self.stream] if self.stream else []
            self.http = self._file(f"{name}-http", http_path(args.cluster), args.http, before)
        self.register_outputs({})

    def _file(
        self, name: str, path: str, text: str, after: Sequence[pulumi.Resource]
    ) -> remote.Command:
        script = Script(install_script(path), delete=remove_script(path), stdin=text)
        opts = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        return on_host(name, self._args.host, script, opts)
