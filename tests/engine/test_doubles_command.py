"""The command double: SSH that has to be let in, and commands that find what they act on."""

from __future__ import annotations

import json
import shlex
from typing import Any

import grpc
import pytest
import yaml
from providers import RefusedError, message, providers, value

from ampere_infra.bootstrap.api_server import encryption_config, encryption_key
from ampere_infra.bootstrap.node.control_plane import CONFIG
from ampere_infra.machines.seed import nocloud_image
from ampere_infra.rehearsal.doubles.values import UNKNOWN, Secret, is_secret
from ampere_infra.rehearsal.places.cluster import Cluster, Key, Thing
from ampere_infra.rehearsal.places.hosts import Hosts
from ampere_infra.rehearsal.places.hypervisor import Hypervisor

COMMAND = "command:remote:Command"
HOST, MASTER, WORKER = "192.0.2.1", "10.0.0.10", "10.0.0.11"
NODE = "sudo -n /usr/local/sbin/ampere-node "
TOKEN = "abcdef.0123456789abcdef"


def gate(marker, result="/var/lib/ampere/x"):
    waits = f"waited=0\nuntil [ -e /var/lib/ampere/{marker} ]; do\n  sleep 1\ndone\ncat {result}\n"
    return f"# ampere gate master {marker}\n{waits}"


class Home:
    """Two machines that let one key in."""

    def __init__(self, made, folder):
        self.made, self.folder, self.files = made, folder, []
        self.key = made.create("tls:index/privateKey:PrivateKey", "key", algorithm="ED25519")
        self.ca = made.create("tls:index/privateKey:PrivateKey", "ca", algorithm="ECDSA")
        self.cert = made.create(
            "tls:index/selfSignedCert:SelfSignedCert",
            "cert",
            privateKeyPem=Secret(value(self.ca, "privateKeyPem")),
            subject={"commonName": "ca"},
            allowedUses=["cert_signing"],
            validityPeriodHours=10,
            isCaCertificate=True,
        )
        made.create("libvirt:index/pool:Pool", "p", name="p", type="dir", target={"path": "/p"})
        self.boot("master", MASTER, "")

    def boot(self, name, address, more, mac=None, config_mac=None):
        user_data = {
            "users": [{"name": "a", "ssh_authorized_keys": [value(self.key, "publicKeyOpenssh")]}],
            "write_files": [{"path": "/etc/birth", "content": f"{name} {more}\n"}, *self.files],
        }
        lan: dict[str, Any] = {"addresses": [f"{address}/24"]}
        if config_mac:
            lan["match"] = {"macaddress": config_mac}
        network = {"version": 2, "ethernets": {"lan": lan}}
        file = self.folder / f"{name}.iso"
        texts = "#cloud-config\n" + yaml.safe_dump(user_data), yaml.safe_dump(network), "i: a\n"
        file.write_bytes(nocloud_image(*texts))
        source = {"name": f"{name}.iso", "pool": "p", "source": str(file), "format": "iso"}
        seed = self.made.create("libvirt:index/volume:Volume", name, **source)
        disks = [{"volumeId": seed.id}]
        wired = {"networkInterfaces": [{"networkName": "n", "mac": mac}]} if mac else {}
        self.machine = self.made.create(
            "libvirt:index/domain:Domain", name, name=name, memory=1, disks=disks, **wired
        )
        return self.machine

    def run(self, line, address=MASTER, name="c", stdin=None, **more):
        connection = {"host": address, "user": "a", "privateKey": value(self.key, "privateKeyPem")}
        inputs = {"create": line, "connection": Secret({**connection, **more})}
        if stdin is not None:
            inputs["stdin"] = Secret(stdin)
        return self.made.create(COMMAND, name, **inputs)

    def refusal(self, *arguments, **named):
        with pytest.raises(grpc.RpcError) as caught:
            self.run(*arguments, **named)
        return message(caught.value)

    def pair(self, key=None, keys=1):
        pem = value(key or self.ca, "privateKeyPem")
        given = {"ca.crt": value(self.cert, "certPem"), "ca.key": pem}
        drawn = [encryption_key(f"drawn {number}") for number in range(keys)]
        return json.dumps(given | {"encryption.json": encryption_config(drawn)})

    def control_plane(self):
        self.run(NODE + "receive-pki", stdin=self.pair())
        self.run(gate("CONTROL_PLANE_CREATED"))


@pytest.fixture
def home(tmp_path):
    with providers() as made:
        yield Home(made, tmp_path)


@pytest.mark.parametrize(("skipped", "gets"), [([], False), (["mark-control-plane"], True)])
def test_a_gateway_gets_the_address_of_a_control_plane_that_kubeadm_did_not_mark(
    home, skipped, gets
):
    told = yaml.safe_dump({"kind": "InitConfiguration", "skipPhases": skipped})
    home.made.delete(home.machine)
    home.files.append({"path": CONFIG, "content": told})
    home.boot("other", MASTER, "")
    home.control_plane()
    cluster = home.made.world.part(Cluster)
    key = Key("gateway.networking.k8s.io/v1", "Gateway", "gateway", "public")
    cluster.things[key] = Thing({}, {}, "")
    said = "".join(cluster.unreachable())
    assert ("gets no address" in said) is not gets, said
    cluster.nodes.add("worker")
    assert cluster.unreachable() == [], "another node will do"


def test_any_other_command_succeeds_and_says_nothing(home):
    found = home.run("echo hello", HOST)
    assert (value(found, "stdout"), value(found, "stderr")) == ("", "")
    assert list(home.made.world.part(Hosts).alive) == [HOST]


def test_the_connection_is_secret_with_its_defaults(home):
    found = home.run("true", HOST)
    assert is_secret(found.outputs["connection"])
    assert value(found, "connection")["port"] == 22
    assert not is_secret(found.outputs["stdout"])


def test_a_preview_does_not_know_what_a_command_will_print(home):
    planned = home.made.preview(COMMAND, "c", create="true", connection={"host": HOST})
    assert planned["stdout"] == UNKNOWN


@pytest.mark.parametrize(
    "inputs",
    [
        {"create": "true"},
        {"create": ["true"], "connection": {"host": HOST}},
        {"connection": {"host": HOST, "hostkey": "x"}},
        {"creat": "true", "connection": {"host": HOST}},
    ],
)
def test_what_is_no_command_is_refused(home, inputs):
    with pytest.raises(RefusedError):
        home.made.create(COMMAND, "c", **inputs)


def test_a_trigger_is_told_by_its_place_so_that_the_sdk_can_replace(home):
    inputs = {"create": "true", "connection": {"host": HOST}, "triggers": ["a"]}
    found = home.made.create(COMMAND, "c", **inputs)
    answer = home.made.diff(found, **{**inputs, "triggers": ["b"]})
    assert list(answer.detailedDiff) == ["triggers[0]"]
    assert not answer.deleteBeforeReplace


def test_a_changed_command_is_run_again_in_place(home):
    inputs = {"create": "true", "connection": {"host": HOST}}
    found = home.made.create(COMMAND, "c", **inputs)
    answer = home.made.diff(found, **{**inputs, "create": "false"})
    assert (list(answer.diffs), list(answer.replaces)) == (["create"], [])


def test_a_node_that_is_not_there_cannot_be_dialled(home):
    words = home.refusal(gate("OS_READY"), WORKER, dialErrorLimit=3)
    assert words == f"after 3 failed attempts: dial tcp {WORKER}:22: connect: no route to host"


def nat(home, mac, address, config_mac, proxy):
    network = {"name": "n", "addresses": ["10.0.0.0/24"]}
    home.made.create("libvirt:index/network:Network", "n", **network)
    home.boot("worker", address, "", mac=mac, config_mac=config_mac)
    return home.run("true", WORKER, **({"proxy": {"host": proxy}} if proxy else {}))


ONE, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.mark.parametrize(
    ("address", "config_mac", "proxy", "words"),
    [
        (WORKER, ONE, None, "i/o timeout"),
        (WORKER, OTHER, HOST, None),
        ("10.9.0.11", ONE, HOST, None),
    ],
    ids=["no proxy to what is behind NAT", "netplan waits for another MAC", "not in the network"],
)
def test_a_node_that_is_wired_wrongly_cannot_be_reached(home, address, config_mac, proxy, words):
    if words is None:
        nat(home, ONE, address, config_mac, proxy)
        assert home.made.world.part(Hypervisor).answering(address) is None
        return
    with pytest.raises(grpc.RpcError, match=words):
        nat(home, ONE, address, config_mac, proxy)


def test_a_node_behind_nat_is_reached_through_its_host(home):
    assert value(nat(home, ONE, WORKER, ONE, HOST), "stdout") == ""


def test_a_node_with_another_host_key_is_not_talked_to(home):
    words = home.refusal("true", hostKey=value(home.key, "publicKeyOpenssh"))
    assert "host key mismatch" in words


def test_a_node_lets_in_only_the_key_in_its_user_data(home):
    words = home.refusal("true", privateKey=value(home.ca, "privateKeyPem"))
    assert "unable to authenticate" in words


def test_the_host_key_that_is_scanned_is_the_node_s(home):
    found = home.run(f"# ampere host-key master {MASTER}\n", HOST)
    home.run("true", hostKey=value(found, "stdout"))
    assert "did not answer on SSH" in home.refusal(f"# ampere host-key x {WORKER}\n", HOST)


def test_a_gate_returns_the_file_that_the_node_was_born_with(home):
    found = home.run(gate("OS_READY", "/etc/birth"))
    assert value(found, "stdout") == "master "


def test_a_gate_on_the_host_enters_the_machine_with_its_key(home):
    key = value(home.run(f"# ampere host-key master {MASTER}\n", HOST), "stdout")
    own = value(home.key, "privateKeyPem")
    line = f"# ampere lookout master {MASTER}\n" + gate("OS_READY", "/etc/birth") + "END\n"
    found = home.run(line, HOST, stdin=f"{MASTER} {key}\n{own}")
    assert value(found, "stdout") == "master "
    stranger = f"{MASTER} ssh-ed25519 AAAA\n{own}"
    assert "Host key verification failed" in home.refusal(line, HOST, stdin=stranger)
    other = value(home.ca, "privateKeyPem")
    assert "Permission denied" in home.refusal(line, HOST, stdin=f"{MASTER} {key}\n{other}")
    nobody = line.replace(MASTER, WORKER)
    assert "no answer on SSH" in home.refusal(nobody, HOST, stdin=f"{WORKER} {key}\n{own}")


def test_a_control_plane_needs_a_ca_whose_key_is_its_own(home):
    assert "waits for its CA" in home.refusal(gate("CONTROL_PLANE_CREATED"))
    other = home.made.create("tls:index/privateKey:PrivateKey", "o", algorithm="ECDSA")
    assert "is not its certificate's" in home.refusal(NODE + "receive-pki", stdin=home.pair(other))
    assert "stdin is no CA" in home.refusal(NODE + "receive-pki", stdin="{}")
    home.control_plane()


def test_a_key_that_secrets_need_never_goes(home):
    home.control_plane()
    home.run(NODE + "receive-pki", stdin=home.pair(keys=2))
    home.run(NODE + "rewrite-secrets 2")
    assert "key-3 never came" in home.refusal(NODE + "rewrite-secrets 3")
    assert "a key that is gone" in home.refusal(NODE + "receive-pki", stdin=home.pair(keys=1))


def test_a_worker_joins_only_with_its_token_and_the_pinned_ca(home):
    home.control_plane()
    pinned = home.made.world.part(Hypervisor).domains["master"].marks["CA"]
    home.boot("worker", WORKER, pinned)
    joined = gate("NODE_JOINED")
    assert "waits for a token" in home.refusal(joined, WORKER)
    home.run(NODE + "receive-token", WORKER, stdin=TOKEN)
    assert "there is no such token" in home.refusal(joined, WORKER)
    home.run(NODE + "admit worker 60", stdin=TOKEN)
    home.run(joined, WORKER)
    assert home.made.world.snapshot()["Cluster"]["nodes"] == ["master", "worker"]


def test_a_worker_that_pins_another_ca_does_not_join(home):
    home.control_plane()
    home.boot("worker", WORKER, "sha256:of-another")
    home.run(NODE + "receive-token", WORKER, stdin=TOKEN)
    home.run(NODE + "admit worker 60", stdin=TOKEN)
    assert "public keys is pinned" in home.refusal(gate("NODE_JOINED"), WORKER)


def test_the_node_s_program_knows_its_own_commands_only(home):
    assert "admti: no such command" in home.refusal(NODE + "admti worker 60")


def test_what_was_on_a_machine_goes_with_it(home):
    home.run(gate("OS_READY"))
    home.made.delete(home.machine)
    assert not home.made.world.part(Hosts).alive


def test_a_command_that_breaks_has_had_its_effect_and_is_not_recorded(home):
    home.made.world.fail_at("create", "base")
    words = home.refusal("# ampere base-image p base-1.qcow2\n", HOST, name="base")
    assert words.startswith("wait: remote command exited without exit status")
    assert not home.made.world.part(Hypervisor).volumes["/p/base-1.qcow2"].whole
    found = home.run("# ampere base-image p base-1.qcow2\n", HOST, name="base")
    assert value(found, "stdout") == "base-1.qcow2"
    assert home.made.world.part(Hypervisor).volumes["/p/base-1.qcow2"].whole


def test_a_hook_clears_only_what_is_ours(home):
    ssh = ["ssh", "-o", "BatchMode=yes", f"oppie@{HOST}"]
    clear = shlex.join(["clear-domain", "master", "somebody else's"])
    with pytest.raises(grpc.RpcError, match="not of this cluster"):
        home.made.invoke("command:local:run", interpreter=ssh, command=f"# ampere {clear}\n")
    ours = shlex.join(["clear-domain", "master", ""])
    home.made.invoke("command:local:run", interpreter=ssh, command=f"# ampere {ours}\n")
    assert not home.made.world.part(Hypervisor).domains


def test_nothing_runs_on_this_machine(home):
    with pytest.raises(grpc.RpcError, match="runs nothing on this machine"):
        home.made.invoke("command:local:run", command="rm -rf /")


def test_delete_runs_where_create_ran(home):
    connection = {"host": HOST, "user": "a"}
    lines = {"create": "# ampere nginx-install /f\n", "delete": "# ampere nginx-remove /f\n"}
    found = home.made.create(COMMAND, "f", connection=connection, stdin="server {}", **lines)
    assert home.made.world.part(Hosts).files == {HOST: {"/f": "server {}"}}
    home.made.delete(found)
    assert not home.made.world.part(Hosts).snapshot()
