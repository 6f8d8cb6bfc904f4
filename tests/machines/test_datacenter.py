"""What a server meets in its first minute at Hetzner: met here by the cloud-init of the image.

It runs in a network namespace for a machine, on the data center's network, with the server's card.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from ampere_infra.machines.hetzner.user_data import packed
from ampere_infra.rehearsal.reality import Emulation, NewServer, Reality
from tests.ground.commands import run
from tests.ground.datacenter import NETWORK, POOL, Datacenter, mac
from tests.ground.host import TestHost
from tests.ground.rootfs import rootfs
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

SECONDS = 600
USER_DATA = "#cloud-config\nhostname: node\n"
SERVER = NewServer(
    1042, "node", "198.51.100.10", "2001:db8:10::", ("ssh-ed25519 AAAA",), packed(USER_DATA)
)
# There is one DMI for all namespaces, and it is not Hetzner's.
LOOK = f"""
import gzip, json
from cloudinit import distros, dmi, helpers, settings
from cloudinit.net.netplan import Renderer
from cloudinit.net.network_state import parse_net_config_data
from cloudinit.sources.DataSourceHetzner import DataSourceHetzner

firmware = {{"system-manufacturer": "Hetzner", "system-serial-number": "{SERVER.id}"}}
dmi.read_dmi_data = firmware.get
paths = helpers.Paths({{"run_dir": "/run/cloud-init", "cloud_dir": "/var/lib/cloud"}})
debian = distros.fetch("debian")("debian", {{}}, paths)
source = DataSourceHetzner(settings.CFG_BUILTIN, debian, paths)
found = source.get_data()
print(json.dumps({{
    "found": found,
    "id": source.get_instance_id(),
    "hostname": source.get_hostname().hostname,
    "keys": source.get_public_ssh_keys(),
    "user-data": gzip.decompress(source.userdata_raw).decode(),
    "netplan": Renderer()._render_content(parse_net_config_data(source.network_config)),
}}))
"""
_MACHINE = """\
set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir={image},upperdir={top}/upper,workdir={top}/work {top}/root
for kind in proc sysfs:sys tmpfs:run; do mount -t ${{kind%:*}} none {top}/root/${{kind#*:}}; done
mount --bind /dev {top}/root/dev
echo $$ > {top}/pid
until [ -e {top}/wired ]; do sleep 0.1; done
chroot {top}/root python3 -c "$LOOK" > {top}/said
"""


@pytest.fixture(scope="module")
def datacenter(tmp_path_factory: pytest.TempPathFactory) -> Generator[Datacenter]:
    """A data center whose servers have an empty disk."""
    folder = tmp_path_factory.mktemp("datacenter")
    run("qemu-img", "create", "-q", "-f", "qcow2", folder / "empty.qcow2", "1G")
    with TestHost(folder / "host") as host:
        reality = Reality(enter=host.enter, emulation=Emulation())
        made = Datacenter(host, folder / "empty.qcow2", reality)
        made.open()
        yield made


def test_cloud_inits_own_data_source_finds_who_the_server_is_and_its_user_data(
    datacenter: Datacenter, tmp_path: Path, say: Callable[[str], None]
) -> None:
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir()
    datacenter.tell(SERVER)
    text = _MACHINE.format(image=rootfs(say), top=tmp_path)
    own = ("unshare", "--net", "--mount", "--fork", "--kill-child", "sh", "-c", text)
    words = ("env", f"LOOK={LOOK}", *own)
    with (tmp_path / "log").open("wb") as log:
        machine = subprocess.Popen([*datacenter.host.enter, *words], stdout=log, stderr=log)
        try:
            plug_in(datacenter, tmp_path)
            assert machine.wait(SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            machine.kill()
            machine.wait()
    found = json.loads((tmp_path / "said").read_text().splitlines()[-1])
    card = yaml.safe_load(found.pop("netplan"))["network"]["ethernets"]["eth0"]
    assert found == {
        "found": True,
        "id": str(SERVER.id),
        "hostname": SERVER.name,
        "keys": list(SERVER.keys),
        "user-data": USER_DATA,
    }
    assert card["match"] == {"macaddress": mac(SERVER.ipv4)}
    assert card["dhcp4"] is True
    assert card["addresses"] == [f"{SERVER.ipv6}1/64"]


def plug_in(datacenter: Datacenter, machine: Path) -> None:
    """Lay a cable from the data center's network to a card of ``machine``."""
    await_true((machine / "pid").exists, "process", SECONDS, said=(machine / "log").read_text)
    host, own = datacenter.host, (machine / "pid").read_text().strip()
    bridge = datacenter.virsh.told("net-info", NETWORK)["Bridge"]
    host.run("ip", "link", "add", "port", "type", "veth", "peer", "name", "card")
    host.run("ip", "link", "set", "port", "master", bridge, "up")
    host.run("ip", "link", "set", "card", "address", mac(SERVER.ipv4), "netns", own)
    (machine / "wired").touch()


def test_a_server_comes_with_a_machine_of_hetzners_and_goes_with_it(
    datacenter: Datacenter,
) -> None:
    server = NewServer(1043, "other", "198.51.100.11", "2001:db8:11::", (), "text")
    datacenter.boot(server)
    assert datacenter.virsh("domstate", server.name) == "running"
    system = datacenter.virsh.document("dumpxml", server.name)
    assert system is not None
    entries = {entry.get("name"): entry.text for entry in system.iter("entry")}
    assert entries == {"manufacturer": "Hetzner", "product": "vServer", "serial": "1043"}
    datacenter.remove(server.id)
    assert datacenter.virsh("list", "--all", "--name") == ""
    assert datacenter.virsh("vol-list", POOL) == ""
    assert not (datacenter.metadata / server.ipv4).exists()
