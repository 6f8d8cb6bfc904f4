"""Both clusters as the bootstrap sees them, and a place to put a node's files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import yaml

from ampere_infra.bootstrap.spec import ClusterSpec, Nic, NodeSpec, Role
from ampere_infra.bootstrap.user_data import UserData, user_data
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.home import HomeSettings
from ampere_infra.stacks import api_specs
from ampere_infra.templates import parse

REPOSITORY = Path(__file__).parents[2]
AUTHORIZED_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExample ampere"
CA_HASH = "sha256:" + "0123456789abcdef" * 4
TOKEN = "canary.canary0canary0ca"
PUBLIC_ADDRESS = IPv4Address("203.0.113.10")


def home_settings() -> HomeSettings:
    return HomeSettings(**_sections("home"))


def api_settings(**changes: Any) -> ApiSettings:
    return ApiSettings(**{**_sections("api"), **changes})


def _sections(stack: str) -> dict[str, Any]:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    return {key.partition(":")[2]: value for key, value in config.items()}


@dataclass(frozen=True)
class Home:
    cluster: ClusterSpec
    master: NodeSpec
    worker: NodeSpec
    nic: Nic

    def born(self, node: NodeSpec, **changes: Any) -> UserData:
        return user_data(replace(self.cluster, **changes), node, AUTHORIZED_KEY, CA_HASH)


@cache
def home() -> Home:
    settings = home_settings()
    master, worker = settings.control_plane, settings.workers.machines[0]
    cluster = ClusterSpec(
        name=settings.cluster.name,
        login=settings.cluster.login,
        dns_domain=settings.cluster.dns_domain,
        pod_network=settings.cluster.pod_network,
        service_network=settings.cluster.service_network,
        api_address=master.address,
        api_names=(settings.host.name, str(settings.host.address)),
        distribution=settings.image.distribution,
        kubernetes=settings.versions.kubernetes,
        containerd=settings.versions.containerd,
        packages=settings.bootstrap.packages,
        timeouts=settings.bootstrap.timeouts,
        api_stable_probes=settings.bootstrap.api_stable_probes,
        token_ttl_minutes=settings.bootstrap.token_ttl_minutes,
        audit=settings.hardening.audit,
    )
    nic = Nic(
        mac="52:54:00:12:34:56",
        address=IPv4Interface(f"{master.address}/{settings.network.subnet.prefixlen}"),
        gateway=settings.network.gateway,
        nameservers=settings.network.nameservers,
    )
    return Home(
        cluster,
        NodeSpec(master.name, Role.CONTROL_PLANE, master.address, "/dev/vdc"),
        NodeSpec(worker.name, Role.WORKER, worker.address, "/dev/vdc"),
        nic,
    )


@dataclass(frozen=True)
class Birth:
    """A node of either cluster and what it is born with."""

    name: str
    cluster: ClusterSpec
    node: NodeSpec
    born: UserData


@cache
def births() -> tuple[Birth, ...]:
    """Every kind of node that there is: home's two, the public one outside and in a tailnet."""
    inside = {"enabled": True, "tailnet": "tail1a2b3.ts.net"}
    return (
        *(Birth(n.role, home().cluster, n, home().born(n)) for n in (home().master, home().worker)),
        public("api", api_settings()),
        public("api-in-tailnet", api_settings(tailscale=inside)),
    )


def public(name: str, settings: ApiSettings) -> Birth:
    cluster = api_specs.cluster(settings, PUBLIC_ADDRESS)
    node = api_specs.node(settings, PUBLIC_ADDRESS)
    return Birth(name, cluster, node, user_data(cluster, node, AUTHORIZED_KEY, None))


def files_of(born: UserData) -> dict[str, str]:
    """Path and text of each file that cloud-init would write."""
    return {entry["path"]: entry["content"] for entry in parse(born.text)[0]["write_files"]}


def lay_out(born: UserData, root: Path) -> None:
    """Write the node's files below ``root``, as cloud-init does below /."""
    for entry in parse(born.text)[0]["write_files"]:
        path = root / entry["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(entry["content"], encoding="utf-8", newline="\n")
        path.chmod(int(entry["permissions"], 8))
