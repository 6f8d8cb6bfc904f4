"""What the first stage of the bootstrap adds to the boot of a machine.

    make bench-boot
    sudo uv run --no-sync python -m benchmarks.boot --rounds 4

Boots the proving ground's image again and again, one machine at a time: with empty user-data until
cloud-init has ended, and with the master's user-data until OS_READY. Times are seconds since the
machine was switched on, of this machine and this run; the ratio is what counts (goal: 1.2).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.bootstrap.netplan import network_config
from ampere_infra.bootstrap.spec import NodeSpec, Role
from ampere_infra.bootstrap.user_data import user_data
from ampere_infra.machines.libvirt import DATA_DEVICE
from ampere_infra.machines.seed import meta_data, nocloud_image
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import Disk, Nic, domain_xml
from ampere_infra.rehearsal.doubles.libvirt.real.hardware import hardware
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh
from ampere_infra.rehearsal.programs import Programs
from ampere_infra.rehearsal.reality import Emulation, Reality
from ampere_infra.settings.load import parse
from ampere_infra.stacks import home_specs
from tests.ground import home, services
from tests.ground.host import TestHost
from tests.ground.image import base_image
from tests.ground.stack import TIME_SERVERS
from tests.ground.virtualisation import kvm_works

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties
    from ampere_infra.settings.home import HomeSettings

LIMIT = 900.0
EMPTY = "#cloud-config\n{}\n"
_NETWORK = """\
<network><name>bench</name><bridge name='bench0'/><forward mode='nat'/>
<ip address='{gateway}' netmask='255.255.255.0'/></network>
"""


@dataclass(frozen=True)
class Case:
    """What a machine is born with, and what it says on its console at the end."""

    name: str
    user_data: str
    end: str


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="What stage 1 adds to a machine's boot.")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="boots of each kind")
    rounds: int = parser.parse_args().rounds
    settings = parse("home", home.settings("0" * 64, "0" * 40, "0" * 40))
    with tempfile.TemporaryDirectory(prefix="ampere-bench-") as folder:
        found = measured(settings, Path(folder), rounds)
    for name, seconds in found.items():
        tell(f"{name:18} {', '.join(f'{s:.1f}' for s in seconds)} s")
    empty, ours = (statistics.median(seconds) for seconds in found.values())
    tell(f"ratio of the medians: {ours / empty:.2f}")


def tell(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measured(settings: HomeSettings, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each boot, by what was booted."""
    image = base_image(tell).path
    cases = (
        Case("empty user-data", EMPTY, "Cloud-init v.{} finished at"),
        Case("until OS_READY", ours(settings), "Finished {}ampere-os-ready.service"),
    )
    found: dict[str, list[float]] = {case.name: [] for case in cases}
    names = dict.fromkeys(TIME_SERVERS, home.GATEWAY)
    with TestHost(folder / "host", names=names) as host:
        services.start(host, "ntp")
        emulation = None if kvm_works(image, tell) else Emulation()
        reality = Reality(enter=host.enter, emulation=emulation)
        virsh = Virsh(reality, Programs(reality))
        network = folder / "network.xml"
        network.write_text(_NETWORK.format(gateway=home.GATEWAY))
        host.virsh("net-create", str(network))
        for number in range(rounds):
            for case in cases:
                place = folder / f"{number}-{case.name[:5]}"
                place.mkdir()
                text = domain(settings, case, place, image, virsh)
                found[case.name].append(boot(host, case, place, text))
                tell(f"{case.name}: {found[case.name][-1]:.1f} s")
    return found


def ours(settings: HomeSettings) -> str:
    """Return the master's user-data."""
    machine = home_specs.control_plane_machine(settings)
    node = NodeSpec(machine.name, Role.CONTROL_PLANE, machine.nic.address.ip, DATA_DEVICE)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBench"
    return user_data(home_specs.cluster(settings), node, key, None).text


def domain(settings: HomeSettings, case: Case, place: Path, image: Path, virsh: Virsh) -> str:
    """Return libvirt's definition of a machine whose disks lie in ``place``."""
    nic = home_specs.control_plane_machine(settings).nic
    seed = nocloud_image(case.user_data, network_config(nic), meta_data("bench", place.name))
    (place / "seed.iso").write_bytes(seed)
    create = ("qemu-img", "create", "-q", "-f", "qcow2")
    over = ("-F", "qcow2", "-b", str(image))
    subprocess.run([*create, *over, str(place / "root.qcow2"), "12G"], check=True)
    subprocess.run([*create, str(place / "data.qcow2"), "4G"], check=True)
    virsh("pool-create-as", place.name, "dir", "--target", str(place))
    formats = {"root.qcow2": "qcow2", "seed.iso": "raw", "data.qcow2": "qcow2"}
    inputs: Properties = {
        "name": place.name,
        "type": "kvm",
        "memory": 2048.0,
        "vcpu": 2.0,
        "consoles": [{"type": "pty", "targetType": "serial", "targetPort": "0"}],
    }
    return domain_xml(
        inputs,
        [Disk(place.name, name, kind) for name, kind in formats.items()],
        [Nic("bench", "", nic.mac)],
        hardware(virsh),
        virsh.reality,
    )


def boot(host: TestHost, case: Case, place: Path, text: str) -> float:
    """Return the seconds until the machine has said what ends its case."""
    definition = place / "domain.xml"
    console = host.folder / f"var/log/libvirt/qemu/{place.name}-console.log"
    console.parent.mkdir(parents=True, exist_ok=True)
    definition.write_text(text)
    first, last = case.end.split("{}")
    said, began = "", time.monotonic()
    host.virsh("create", str(definition))
    while time.monotonic() - began < LIMIT:
        said = console.read_text(errors="replace") if console.exists() else ""
        if any(first in line and last in line for line in said.splitlines()):
            break
        time.sleep(0.2)
    else:
        raise SystemExit(f"{case.name}: nothing after {LIMIT:.0f} s:\n{said[-2000:]}")
    seconds = time.monotonic() - began
    host.virsh("destroy", place.name)
    return seconds


if __name__ == "__main__":
    main()
