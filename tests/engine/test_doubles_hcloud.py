"""The double of Hetzner refuses, replaces, keeps and reads back as hcloud and Hetzner do."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

import grpc
import pytest
from providers import RefusedError, message, providers

from ampere_infra.machines.hetzner.user_data import packed
from ampere_infra.rehearsal.doubles.hcloud import servers
from ampere_infra.rehearsal.places.hetzner import ApiError, HetznerCloud
from ampere_infra.rehearsal.places.hetzner_rules import check_move
from ampere_infra.rehearsal.reality import NewServer, Reality
from ampere_infra.rehearsal.world import World

KEY, NETWORK = "hcloud:index/sshKey:SshKey", "hcloud:index/network:Network"
SUBNET = "hcloud:index/networkSubnet:NetworkSubnet"
FIREWALL = "hcloud:index/firewall:Firewall"
ATTACHMENT = "hcloud:index/firewallAttachment:FirewallAttachment"
GROUP = "hcloud:index/placementGroup:PlacementGroup"
ADDRESS, SERVER = "hcloud:index/primaryIp:PrimaryIp", "hcloud:index/server:Server"
RECORD = "hcloud:index/zoneRrset:ZoneRrset"
TOKEN = "A1b2" * 16
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1G4Y8yZr0vZ9kqkV1x4Vd0m9o0P0Yw6m3b8vYy5b2Q"
BORN = "#cloud-config\n{}\n"
RULE = {"direction": "in", "protocol": "tcp", "port": "443", "sourceIps": ["0.0.0.0/0"]}


@pytest.fixture
def made():
    with providers() as found:
        found.configure("hcloud", token=TOKEN)
        yield found


def cloud(made) -> HetznerCloud:
    return made.world.part(HetznerCloud)


def server(made, name="node", **more):
    inputs = {
        "name": name,
        "serverType": "cx33",
        "image": "debian-13",
        "location": "fsn1",
        "userData": packed(BORN),
        **more,
    }
    return made.create(SERVER, name, **{k: v for k, v in inputs.items() if v is not None})


def address(made, name="ipv4", version="ipv4", **more):
    inputs = {"name": name, "type": version, "location": "fsn1", "autoDelete": False, **more}
    return made.create(ADDRESS, name, **inputs)


def refused(call) -> str:
    with pytest.raises((grpc.RpcError, RefusedError)) as error:
        call()
    return message(error.value) if isinstance(error.value, grpc.RpcError) else str(error.value)


@pytest.mark.parametrize("name", ["my_server", "-node", "node-", "no de", "", "n" * 64])
def test_a_server_is_named_as_a_host_is(made, name):
    assert "name" in refused(lambda: server(made, name=name))


def test_two_of_a_name_are_refused(made):
    server(made)
    assert "uniqueness_error" in refused(lambda: server(made))


@pytest.mark.parametrize(
    "labels", [{"a b": "c"}, {"-a": "c"}, {"a": "c d"}, {"a": "c" * 64}, {"a/b/c": "d"}]
)
def test_a_label_is_what_kubernetes_takes_for_one(made, labels):
    assert "label" in refused(
        lambda: made.create(GROUP, "g", name="g", type="spread", labels=labels)
    )


@pytest.mark.parametrize("range_", ["20.0.0.0/16", "10.20.1.5/16", "100.64.0.0/16", "10.1.0.0/25"])
def test_a_network_is_a_private_one(made, range_):
    assert "ip_range" in refused(lambda: made.create(NETWORK, "n", name="n", ipRange=range_))


def test_a_subnet_lies_inside_its_network_beside_the_others_in_one_zone(made):
    network = made.create(NETWORK, "n", name="n", ipRange="10.20.0.0/16")
    known = {"networkId": int(network.id), "type": "cloud", "networkZone": "eu-central"}
    made.create(SUBNET, "s", **known, ipRange="10.20.1.0/24")
    for wrong in (
        {"ipRange": "10.21.1.0/24"},
        {"ipRange": "10.20.1.0/25"},
        {"ipRange": "10.20.2.0/24", "networkZone": "us-east"},
    ):
        refused(lambda wrong=wrong: made.create(SUBNET, "other", **{**known, **wrong}))


def test_a_subnet_is_another_one_when_it_changes(made):
    network = made.create(NETWORK, "n", name="n", ipRange="10.20.0.0/16")
    known = {"networkId": int(network.id), "type": "cloud", "networkZone": "eu-central"}
    subnet = made.create(SUBNET, "s", **known, ipRange="10.20.1.0/24")
    assert "ipRange" in made.diff(subnet, **known, ipRange="10.20.2.0/24").replaces


@pytest.mark.parametrize(
    "rule",
    [
        {"port": None},
        {"protocol": "icmp"},
        {"sourceIps": []},
        {"sourceIps": ["0.0.0.0/0"] * 101},
        {"sourceIps": ["203.0.113.7/24"]},
        {"direction": "through"},
    ],
)
def test_a_rule_of_a_firewall_is_whole(made, rule):
    spoilt = {k: v for k, v in {**RULE, **rule}.items() if v is not None}
    refused(lambda: made.create(FIREWALL, "f", name="f", rules=[spoilt]))


def test_a_firewall_has_fifty_rules_at_most(made):
    rules = [{**RULE, "port": str(1000 + n)} for n in range(51)]
    assert "rule_limit" in refused(lambda: made.create(FIREWALL, "f", name="f", rules=rules))
    firewall = made.create(FIREWALL, "f", name="f", rules=rules[:50])
    assert not made.diff(firewall, name="f", rules=rules[:49]).replaces, "rules change in place"


def test_what_has_no_rule_is_closed(made):
    wall = made.create(FIREWALL, "f", name="f", rules=[RULE])
    node = server(made, firewallIds=[int(wall.id)])
    [found] = cloud(made).servers()
    assert str(found.id) == node.id
    assert cloud(made).lets_in(found, 443)
    assert not cloud(made).lets_in(found, 22)


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"serverType": "cx43"}, False),
        ({"name": "other"}, False),
        ({"labels": {"a": "b"}}, False),
        ({"backups": True}, False),
        ({"userData": packed("#cloud-config\n{a: 1}\n")}, True),
        ({"location": "nbg1"}, True),
        ({"image": "ubuntu-24.04"}, True),
        ({"sshKeys": ["1"]}, True),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_makes_another_server_and_what_does_not(made, change, replaces):
    node = server(made)
    diff = made.diff(node, **{**node.inputs, **change})
    assert bool(diff.replaces) is replaces
    assert bool(diff.changes == diff.DIFF_SOME)


def test_the_state_holds_user_data_as_a_hash(made):
    assert packed(BORN) not in json.dumps(server(made).outputs)


def test_user_data_has_32_kib_and_no_more(made):
    assert "user_data" in refused(lambda: server(made, userData="x" * (32 * 1024 + 1)))


@pytest.mark.parametrize("word", ["sold out", "retired"])
def test_a_type_that_is_not_to_be_had_is_refused(made, word):
    cloud(made).withdrawn["cx33", "fsn1"] = word
    said = refused(lambda: server(made))
    assert "resource_unavailable" in said or "deprecated" in said or "unsupported" in said, said


def test_a_server_is_stopped_for_another_type_and_started_again_by_it(made, monkeypatch):
    seen = []
    real = servers.check_move

    def look(found, name):
        seen.append(found.running)
        real(found, name)

    monkeypatch.setattr(servers, "check_move", look)
    node = server(made, keepDisk=True)
    bigger = made.update(node, **{**node.inputs, "serverType": "cx43"})
    [found] = cloud(made).servers()
    assert (seen, found.running) == ([False], True)
    assert bigger.outputs["primaryDiskSize"] == 80, "it kept its disk"
    made.update(bigger, **{**bigger.inputs, "serverType": "cx33"})
    assert found.fields["server_type"] == "cx33", "so it can become smaller again"


@pytest.mark.parametrize(("keep", "back"), [(False, "cx33"), (True, "cx23")])
def test_no_disk_shrinks_and_a_refused_server_stays_off(made, keep, back):
    node = server(made, keepDisk=keep)
    bigger = made.update(node, **{**node.inputs, "serverType": "cx43"})
    assert "invalid_server_type" in refused(
        lambda: made.update(bigger, **{**bigger.inputs, "serverType": back})
    )
    [found] = cloud(made).servers()
    assert (found.fields["server_type"], found.running) == ("cx43", False)


def test_a_running_server_keeps_its_type(made):
    server(made)
    [found] = cloud(made).servers()
    with pytest.raises(ApiError, match="server_not_stopped"):
        check_move(found, "cx43")


def test_a_server_has_five_firewalls_at_most(made):
    walls = [made.create(FIREWALL, f"f{n}", name=f"f{n}", rules=[RULE]) for n in range(6)]
    ids = [int(wall.id) for wall in walls]
    assert "5 firewalls" in refused(lambda: server(made, firewallIds=ids))
    node = server(made, firewallIds=ids[:4])

    def attach(wall):
        inputs = {"firewallId": wall, "serverIds": [int(node.id)]}
        return made.create(ATTACHMENT, f"a{wall}", **inputs)

    attach(ids[4])
    attach(ids[4])
    assert "5 firewalls" in refused(lambda: attach(ids[5]))


@pytest.mark.parametrize(("kind", "value"), [("A", "2001:db8::1"), ("AAAA", "192.0.2.1")])
def test_a_records_values_are_of_its_type(made, kind, value):
    inputs = {"zone": "ampere-data.eu", "name": "www", "type": kind, "ttl": 300}
    assert "no value of type" in refused(
        lambda: made.create(RECORD, "r", **inputs, records=[{"value": value}])
    )


def test_a_record_set_is_there_once(made):
    inputs: Any = {"zone": "ampere-data.eu", "name": "www", "type": "A", "ttl": 300}
    inputs["records"] = [{"value": "192.0.2.1"}]
    made.create(RECORD, "r", **inputs)
    assert "uniqueness_error" in refused(lambda: made.create(RECORD, "again", **inputs))


def test_a_protected_server_is_not_deleted(made):
    node = server(made, deleteProtection=True, rebuildProtection=True)
    assert "protected" in refused(lambda: made.delete(node))
    free = made.update(
        node, **{**node.inputs, "deleteProtection": False, "rebuildProtection": False}
    )
    made.delete(free)
    assert not list(cloud(made).servers())


def test_a_server_is_protected_from_both_or_from_none(made):
    refused(lambda: server(made, deleteProtection=True, rebuildProtection=False))


def test_addresses_survive_their_server(made):
    four = address(made)
    net = [{"ipv4Enabled": True, "ipv4": int(four.id), "ipv6Enabled": False}]
    node = server(made, publicNets=net)
    assert node.outputs["ipv4Address"] == four.outputs["ipAddress"]
    made.delete(node)
    assert cloud(made).get("primary_ips", four.id) is not None
    again = server(made, name="again", publicNets=net)
    assert again.outputs["ipv4Address"] == four.outputs["ipAddress"]


def test_a_protected_address_is_not_deleted(made):
    four = address(made, deleteProtection=True)
    assert "protected" in refused(lambda: made.delete(four))


def test_a_token_is_what_opens_the_project(made):
    assert "token is not set" in " ".join(made.check_config("hcloud"))
    assert "64 characters" in refused(lambda: made.configure("hcloud", token="short"))


def asked(path, token=TOKEN, method="GET"):
    request = urllib.request.Request(
        f"{os.environ['HCLOUD_ENDPOINT']}{path}",
        headers={"Authorization": f"Bearer {token}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"{}")


class Datacenter:
    """Where servers are real machines: their names, as long as they are there."""

    def __init__(self):
        self.servers: dict[int, NewServer] = {}

    def boot(self, server):
        self.servers[server.id] = server

    def remove(self, identity):
        del self.servers[identity]


@pytest.mark.parametrize("by_the_api", [False, True])
def test_a_real_server_is_born_with_what_hetzner_was_told_and_goes_with_it(by_the_api):
    there = Datacenter()
    with providers(World(reality=Reality(datacenter=there))) as made:
        made.configure("hcloud", token=TOKEN)
        key = made.create(KEY, "key", name="key", publicKey=PUBLIC_KEY)
        ids = {v: int(address(made, v, v).id) for v in ("ipv4", "ipv6")}
        nets = [{"ipv4Enabled": True, "ipv6Enabled": True, **ids}]
        found = server(made, sshKeys=[key.id], publicNets=nets)
        born = NewServer(
            int(found.id), "node", "198.51.100.10", "2001:db8:10::", (PUBLIC_KEY,), packed(BORN)
        )
        assert there.servers == {int(found.id): born}
        if by_the_api:
            asked(f"/servers/{found.id}", method="DELETE")
        else:
            made.delete(found)
        assert not there.servers


def test_the_api_over_http_knows_what_the_provider_made(made):
    server(made, labels={"a": "b"})
    found = asked("/servers?name=node")["servers"]
    assert [(one["name"], one["labels"]) for one in found] == [("node", {"a": "b"})]


def test_the_api_over_http_wants_the_token(made):
    with pytest.raises(urllib.error.HTTPError) as error:
        asked("/servers", token="B" * 64)
    with error.value as answer:
        assert answer.code == 401
