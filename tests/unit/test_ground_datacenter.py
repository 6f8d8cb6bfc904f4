"""A real server finds at the proving ground what it would find at Hetzner."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from functools import partial
from http.server import ThreadingHTTPServer
from xml.etree import ElementTree as ET

import pytest
import yaml

from ampere_infra.rehearsal.reality import NewServer
from tests.ground.datacenter import identified, mac, metadata, network_xml
from tests.ground.services import Metadata

SERVER = NewServer(42, "node", "198.51.100.10", "2001:db8:10::", ("ssh-ed25519 AAAA",), "text")


def test_each_address_is_given_to_one_card_and_is_a_network_of_its_own():
    network = ET.fromstring(network_xml())
    leases = {host.get("mac"): host.get("ip") for host in network.iter("host")}
    assert leases[mac(SERVER.ipv4)] == SERVER.ipv4
    assert len(set(leases.values())) == len(leases) > 1
    options = [option.get("value") for option in network.iter() if option.tag.endswith("option")]
    assert "dhcp-option=option:netmask,255.255.255.255" in options
    assert "dhcp-option=option:router,172.31.1.1" in options


def test_the_firmware_says_whose_server_it_is():
    domain = ET.fromstring(identified("<domain><os><type>hvm</type></os></domain>", 42))
    entries = {entry.get("name"): entry.text for entry in domain.iter("entry")}
    assert entries["manufacturer"] == "Hetzner"
    assert entries["serial"] == "42", "cloud-init compares it with the instance's id"
    mode = domain.find("os/smbios")
    assert mode is not None
    assert mode.get("mode") == "sysinfo"


def test_metadata_name_the_server_and_its_card():
    told = metadata(SERVER)
    assert (told["instance-id"], told["hostname"]) == (42, "node")
    assert told["public-keys"] == ["ssh-ed25519 AAAA"]
    (card,) = told["network-config"]["config"]
    assert card["mac_address"] == mac(SERVER.ipv4) == "96:00:c6:33:64:0a"
    assert card["subnets"][1]["address"] == "2001:db8:10::1/64"


@pytest.fixture
def service(tmp_path):
    """The metadata service's address; this machine is a server there."""
    folder = tmp_path / "127.0.0.1"
    folder.mkdir()
    (folder / "metadata").write_text(yaml.safe_dump(metadata(SERVER)))
    (folder / "metadata.instance-id").write_text("42")
    (tmp_path / "192.0.2.1").mkdir()
    (tmp_path / "192.0.2.1/userdata").write_text("of another")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Metadata, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hetzner/v1"
        server.shutdown()


def asked(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read().decode()


def test_a_server_is_told_what_is_its_own_and_nothing_of_others(service):
    assert yaml.safe_load(asked(f"{service}/metadata")) == metadata(SERVER)
    assert asked(f"{service}/metadata/instance-id") == "42"
    with pytest.raises(urllib.error.HTTPError) as error:
        asked(f"{service}/userdata")
    with error.value as answer:
        assert answer.code == 404
