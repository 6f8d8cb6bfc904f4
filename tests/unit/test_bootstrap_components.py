"""Keys, control plane and workers as resources, against the engine's mocks."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi.runtime
import pulumi_command as command
import pytest
from bootstrap_cases import home
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor

from ampere_infra.bootstrap import gates
from ampere_infra.bootstrap.control_plane import ControlPlane, ControlPlaneArgs
from ampere_infra.bootstrap.pki import ClusterPki, ClusterPkiArgs, spki_hash
from ampere_infra.bootstrap.worker import Worker, WorkerArgs
from ampere_infra.machines.machine import Lookout, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from ampere_infra.bootstrap.spec import NodeSpec

HOME = home()
WORKERS = ("ampere-k8s-node1", "ampere-k8s-node2", "ampere-k8s-node3")
PRIVATE_KEY = "canary-of-a-private-key"
TOKEN_SECRET = "canary0canary0ca"
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----\n"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
MADE = {
    "tls:index/privateKey:PrivateKey": {
        "privateKeyPem": PRIVATE_KEY,
        "privateKeyOpenssh": PRIVATE_KEY,
        "publicKeyPem": PUBLIC_KEY,
        "publicKeyOpenssh": "ssh-ed25519 AAAA",
    },
    "tls:index/selfSignedCert:SelfSignedCert": {"certPem": "the CA's certificate"},
    "tls:index/certRequest:CertRequest": {"certRequestPem": "a request"},
    "tls:index/locallySignedCert:LocallySignedCert": {"certPem": "a certificate"},
    "random:index/randomString:RandomString": {"result": "canary"},
    "random:index/randomPassword:RandomPassword": {"result": TOKEN_SECRET},
    "command:remote:Command": {"stdout": '{"kubernetes": "1.0.0"}'},
}


class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return args.name, dict(args.inputs) | MADE.get(args.typ, {})

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(args.token)


@dataclass
class Asked:
    inputs: dict[str, Any]
    request: Any

    @property
    def after(self) -> set[str]:
        return {urn.rpartition("::")[2] for urn in self.request.dependencies}

    def secret(self, key: str) -> Any:
        value = self.inputs[key]
        assert isinstance(value, dict), f"{key} is no secret"
        assert SECRET in value.values(), f"{key} is no secret"
        return value["value"]


class Monitor(MockMonitor):
    def __init__(self) -> None:
        super().__init__(Mocks())
        self.asked: dict[str, Asked] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        inputs = rpc.deserialize_properties(request.object)
        self.asked[request.name] = Asked(inputs, request)
        return super().RegisterResource(request)


def machine(node: NodeSpec, identity: str = "the first machine") -> Machine:
    connection = command.remote.ConnectionArgs(
        host=str(node.address), user="ampere", private_key=pulumi.Output.secret(PRIVATE_KEY)
    )
    domain = pulumi.ComponentResource("test:Domain", f"{node.name}-domain")
    return Machine(node.name, str(node.address), connection, identity, domain)


def asked_for(program: Callable[[], object]) -> dict[str, Asked]:
    monitor = Monitor()
    pulumi.runtime.set_mocks(Mocks(), preview=False, monitor=monitor)
    pulumi.runtime.test(program)()
    return monitor.asked


def cluster(identity: str = "the first machine", encryption_key: int = 1) -> Worker:
    born = HOME.born(HOME.worker)
    pki = ClusterPki("pki", ClusterPkiArgs("ampere-k8s", encryption_key))
    master = ControlPlane(
        "master",
        ControlPlaneArgs(
            timeouts=HOME.cluster.timeouts,
            machine=machine(HOME.master),
            pki=pki,
            user_data=pulumi.Output.from_input(HOME.born(HOME.master)),
            workers=WORKERS,
            encryption_key=encryption_key,
        ),
    )
    cilium = pulumi.CustomResource("test:index:Cilium", "cilium")
    return Worker(
        "worker",
        WorkerArgs(
            cluster=HOME.cluster,
            machine=machine(HOME.worker, identity),
            control_plane=master,
            user_data=pulumi.Output.from_input(born),
            platform_ready=[cilium],
        ),
    )


@pytest.fixture(scope="module")
def asked() -> dict[str, Asked]:
    return asked_for(cluster)


COMMANDS = [
    "ampere-k8s-master-os-ready",
    "ampere-k8s-master-pki",
    "ampere-k8s-master-control-plane-created",
    "ampere-k8s-master-api-stable",
    "ampere-k8s-master-roster",
    "ampere-k8s-node1-os-ready",
    "ampere-k8s-node1-membership",
    "ampere-k8s-node1-join-token",
    "ampere-k8s-node1-node-joined",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_stage_is_a_resource_that_a_new_machine_runs_again(
    asked: dict[str, Asked], name: str
) -> None:
    assert asked[name].inputs["triggers"] == ["the first machine"]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_secret(asked: dict[str, Asked], name: str) -> None:
    command_ = asked[name]
    assert command_.inputs["logging"] == "stderr", "stdout is not logged"
    assert command_.inputs["addPreviousOutputInEnv"] is False, "which SSH would refuse"
    shown = json.dumps([command_.inputs["create"], command_.inputs.get("delete")])
    assert TOKEN_SECRET not in shown
    assert PRIVATE_KEY not in shown
    command_.secret("connection")


def test_the_stages_of_the_control_plane_come_one_after_the_other(asked: dict[str, Asked]) -> None:
    names = COMMANDS[:5]
    for before, after in pairwise(names):
        assert before in asked[after].after, f"{after} after {before}"


def test_a_worker_is_given_its_token_when_it_is_admitted_and_the_platform_is_there(
    asked: dict[str, Asked],
) -> None:
    given = asked["ampere-k8s-node1-join-token"]
    assert {"ampere-k8s-node1-os-ready", "ampere-k8s-node1-membership", "cilium"} <= given.after
    assert "ampere-k8s-node1-join-token" in asked["ampere-k8s-node1-node-joined"].after


def test_a_worker_is_admitted_once_the_api_is_stable(asked: dict[str, Asked]) -> None:
    assert "ampere-k8s-master-api-stable" in asked["ampere-k8s-node1-membership"].after


def test_a_workers_operating_system_waits_for_no_other_machine(asked: dict[str, Asked]) -> None:
    waits = asked["ampere-k8s-node1-os-ready"].after
    assert not {name for name in waits if "master" in name}


@pytest.mark.parametrize("name", ["membership", "join-token"])
def test_the_token_travels_on_standard_input_as_a_secret(
    asked: dict[str, Asked], name: str
) -> None:
    assert asked[f"ampere-k8s-node1-{name}"].secret("stdin") == f"canary.{TOKEN_SECRET}"


def test_the_ca_travels_on_standard_input_as_a_secret(asked: dict[str, Asked]) -> None:
    pair = json.loads(asked["ampere-k8s-master-pki"].secret("stdin"))
    encryption = json.loads(pair.pop("encryption.json"))
    assert pair == {"ca.crt": "the CA's certificate", "ca.key": PRIVATE_KEY}
    (key,) = encryption["resources"][0]["providers"][0]["secretbox"]["keys"]
    assert len(base64.b64decode(key["secret"])) == 32, "what secretbox takes"
    assert key["secret"] != base64.b64encode(TOKEN_SECRET.encode()).decode(), "all of it random"


def test_another_key_is_pushed_before_secrets_are_rewritten_with_it() -> None:
    asked = asked_for(lambda: cluster(encryption_key=2))
    assert {"ampere-k8s-encryption-key-1", "ampere-k8s-encryption-key-2"} <= asked.keys()
    rewriting = asked["ampere-k8s-master-secrets"]
    assert rewriting.inputs["create"].endswith("ampere-node rewrite-secrets 2")
    assert {"ampere-k8s-master-pki", "ampere-k8s-master-api-stable"} <= rewriting.after


def test_a_fresh_cluster_has_nothing_to_rewrite(asked: dict[str, Asked]) -> None:
    assert "ampere-k8s-master-secrets" not in asked


def test_another_machine_gets_another_token() -> None:
    asked = asked_for(lambda: cluster("the second machine"))
    for part in ("id", "secret"):
        keepers = asked[f"ampere-k8s-node1-token-{part}"].inputs["keepers"]
        assert keepers == {"machine": "the second machine"}


def test_a_worker_leaves_before_its_machine_is_replaced(asked: dict[str, Asked]) -> None:
    membership = asked["ampere-k8s-node1-membership"]
    assert membership.request.deleteBeforeReplace, "else the new node would be dismissed"
    deleted = membership.inputs["delete"]
    assert deleted == "sudo -n /usr/local/sbin/ampere-node dismiss ampere-k8s-node1 1800"
    assert membership.request.deletedWith.endswith("ampere-k8s-master-domain")


def test_the_roster_names_every_worker(asked: dict[str, Asked]) -> None:
    create = asked["ampere-k8s-master-roster"].inputs["create"]
    assert create == f"sudo -n /usr/local/sbin/ampere-node roster {' '.join(WORKERS)}"


@pytest.mark.parametrize(
    ("gate", "deadline"),
    [
        ("ampere-k8s-master-os-ready", HOME.cluster.timeouts.operating_system),
        ("ampere-k8s-master-control-plane-created", HOME.cluster.timeouts.control_plane),
        ("ampere-k8s-master-api-stable", HOME.cluster.timeouts.api_stable),
        ("ampere-k8s-node1-node-joined", HOME.cluster.timeouts.join),
    ],
)
def test_the_engine_waits_longer_than_the_gate(
    asked: dict[str, Asked], gate: str, deadline: int
) -> None:
    assert f"-ge {deadline} ]" in asked[gate].inputs["stdin"], "the deadline of the settings"
    patience = asked[gate].request.customTimeouts.create
    assert int(patience.removesuffix("s")) > deadline


def test_a_gate_runs_where_a_restart_of_the_machine_does_not_end_it() -> None:
    lookout = Lookout(
        connection=command.remote.ConnectionArgs(host="192.168.1.29", user="oppie"),
        script=lambda gate, deadline: f"# ampere lookout, {deadline} s\n{gate}",
        stdin=pulumi.Output.secret(PRIVATE_KEY),
    )

    def wait() -> None:
        watched = replace(machine(HOME.worker), lookout=lookout)
        gates.gate(watched, gates.OS_READY, 900, pulumi.ResourceOptions())

    gate = asked_for(wait)["ampere-k8s-node1-os-ready"]
    assert gate.inputs["create"].endswith(" ampere lookout, 900 s")
    assert gate.inputs["triggers"] == ["the first machine"]
    script = gates.script("ampere-k8s-node1", gates.OS_READY, 900)
    assert gate.secret("stdin") == f"# ampere lookout, 900 s\n{script}{PRIVATE_KEY}"


@pytest.mark.parametrize("name", ["ca-key", "admin-key", "node-key"])
def test_private_keys_are_secret_outputs(asked: dict[str, Asked], name: str) -> None:
    secrets = set(asked[f"ampere-k8s-{name}"].request.additionalSecretOutputs)
    assert {"privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"} <= secrets


def test_the_ca_may_sign_and_lasts_ten_years(asked: dict[str, Asked]) -> None:
    ca = asked["ampere-k8s-ca"].inputs
    assert ca["isCaCertificate"] is True
    assert {"cert_signing", "digital_signature"} <= set(ca["allowedUses"])
    assert ca["validityPeriodHours"] == 87600
    asked["ampere-k8s-ca"].secret("privateKeyPem")


def test_the_administrators_certificate_is_renewed_a_month_before_its_end(
    asked: dict[str, Asked],
) -> None:
    admin = asked["ampere-k8s-admin"].inputs
    assert (admin["validityPeriodHours"], admin["earlyRenewalHours"]) == (8760, 720)
    assert "client_auth" in admin["allowedUses"]
    request = asked["ampere-k8s-admin-request"].inputs
    assert request["subject"]["organization"] == "kubeadm:cluster-admins"


def outputs_of(name: str) -> pulumi.Output[Any]:
    pki = ClusterPki("pki", ClusterPkiArgs("ampere-k8s"))
    kubeconfig = pki.kubeconfig("ampere-k8s", "https://192.168.1.29:6443")
    return {"ca_hash": pki.ca_hash, "kubeconfig": kubeconfig, "ssh": pki.ssh_private_key}[name]


@pytest.mark.parametrize(
    ("name", "secret"), [("kubeconfig", True), ("ssh", True), ("ca_hash", False)]
)
def test_only_what_is_secret_is_marked_so(name: str, secret: bool) -> None:  # noqa: FBT001
    seen: list[bool] = []

    def program() -> pulumi.Output[None]:
        return pulumi.Output.from_input(outputs_of(name).is_secret()).apply(seen.append)

    asked_for(program)
    assert seen == [secret]


def test_the_pin_is_of_the_cas_public_key() -> None:
    seen: list[str] = []
    asked_for(lambda: outputs_of("ca_hash").apply(seen.append))
    assert seen == [spki_hash(PUBLIC_KEY)]


@pytest.mark.parametrize("text", ["", "-----BEGIN EC PRIVATE KEY-----\nY2Fu\n", "ssh-rsa AAAA"])
def test_what_is_no_public_key_has_no_pin(text: str) -> None:
    with pytest.raises(ValueError, match="BEGIN PUBLIC KEY"):
        spki_hash(text)


def test_a_node_that_was_born_with_something_else_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, _resource: warned.append(text))
    asked_for(cluster)
    version = HOME.cluster.kubernetes
    line = f"versions.kubernetes: born with 1.0.0, now {version}"
    assert sorted(warned) == [
        f"ampere-k8s-master keeps what it was born with: {line}",
        f"ampere-k8s-node1 keeps what it was born with: {line}",
    ]
