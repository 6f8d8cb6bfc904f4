"""What is run on the host to learn about it: one POSIX script, a pure function of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ampere_infra.bootstrap.spec import API_PORT
from ampere_infra.machines.scripts import ready
from ampere_infra.platform.nginx import stream_path
from ampere_infra.stacks.home_specs import sudo_probe
from ampere_infra.templates import render

if TYPE_CHECKING:
    from ampere_infra.settings.home import HomeSettings

PLACES: Final = {
    "cpuinfo": "/proc/cpuinfo",
    "meminfo": "/proc/meminfo",
    "forward": "/proc/sys/net/ipv4/ip_forward",
}


def probe(s: HomeSettings, **places: object) -> str:
    """Return the script; it changes nothing, needs no root, and prints facts.

    ``places`` are files to look at instead of the host's own.
    """
    cluster, behind_nat = s.cluster.name, s.network.mode == "nat"
    machines = (s.control_plane, *s.workers.machines)
    wanted = ready(
        cluster,
        s.storage.pool_path,
        bridge=s.network.bridge,
        sudo_probe=sudo_probe(s),
        stream=behind_nat,
        **PLACES,
    )
    own: dict[str, object] = {
        "nginx": True,
        "dnsmasq": behind_nat,
        "nodes": [machine.name for machine in machines],
        "addresses": [str(machine.address) for machine in machines],
        "names": list(s.services.domains.model_dump().values()),
        "api_port": API_PORT,
        "stream_file": stream_path(cluster),
    }
    return render("host/probe.j2", **{**wanted, **own, **places})
