"""The hardening of the nodes, as it is rendered."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from bootstrap_cases import files_of, home, home_settings

from ampere_infra.bootstrap import api_server
from ampere_infra.bootstrap.node_files import SYSCTLS
from ampere_infra.settings.cluster import Audit
from ampere_infra.templates import parse

HOME = home()
MASTER = HOME.born(HOME.master)


def documents() -> dict[str, dict[str, Any]]:
    text = files_of(MASTER)["/etc/ampere/kubeadm-init.yaml"]
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def policy() -> dict[str, Any]:
    return yaml.safe_load(files_of(MASTER)[f"{api_server.FOLDER}/audit-policy.yaml"])


KUBELET = {
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    "authorization": {"mode": "Webhook"},
    "readOnlyPort": 0,
    "rotateCertificates": True,
    "tlsMinVersion": "VersionTLS13",
    "streamingConnectionIdleTimeout": "30m",
    "eventRecordQPS": 50,
    "seccompDefault": True,
    "protectKernelDefaults": True,
    "podPidsLimit": 4096,
    "kubeReserved": {"cpu": "100m", "memory": "256Mi"},
    "systemReserved": {"cpu": "100m", "memory": "256Mi"},
    "failSwapOn": True,
}


@pytest.mark.parametrize("key", KUBELET)
def test_each_kubelet_is_hardened(key: str) -> None:
    assert documents()["KubeletConfiguration"][key] == KUBELET[key]


def test_no_kubelet_waits_for_a_certificate_that_nobody_would_approve() -> None:
    assert "serverTLSBootstrap" not in documents()["KubeletConfiguration"]


def test_the_kernel_is_as_a_kubelet_that_changes_nothing_wants_it() -> None:
    wanted = {
        "vm.overcommit_memory": 1,
        "vm.panic_on_oom": 0,
        "kernel.panic": 10,
        "kernel.panic_on_oops": 1,
        "kernel.keys.root_maxkeys": 1000000,
        "kernel.keys.root_maxbytes": 25000000,
    }
    assert {key: SYSCTLS.get(key) for key in wanted} == wanted


def test_each_file_that_the_api_server_names_is_there_and_in_its_pod() -> None:
    flags = api_server.arguments(Audit())
    folders = {volume.path: volume for volume in api_server.VOLUMES}
    named = {value for value in flags.values() if value.startswith("/")}
    assert {path.rpartition("/")[0] for path in named} == set(folders)
    born = {path for path in named if path in files_of(MASTER)}
    assert named - born == {api_server.ENCRYPTION, flags["audit-log-path"]}
    writable = {path for path, volume in folders.items() if volume.writable}
    assert writable == {api_server.AUDIT_LOGS}, "it changes nothing but its log"


def test_files_for_root_are_roots_alone() -> None:
    modes = {entry["path"]: entry["permissions"] for entry in parse(MASTER.text)[0]["write_files"]}
    assert {modes[path] for path in api_server.files()} == {"0600"}
    assert modes["/etc/ampere/kubeadm-init.yaml"] == "0600"


@pytest.mark.parametrize(("node", "unit"), [("master", "init"), ("worker", "join")])
def test_what_kubeadm_writes_is_roots_alone(node: str, unit: str) -> None:
    born = HOME.born(getattr(HOME, node))
    assert "UMask=0077\n" in files_of(born)[f"/etc/systemd/system/kubeadm-{unit}.service"]


def test_a_namespace_without_labels_is_restricted_and_only_kube_system_is_exempt() -> None:
    config = yaml.safe_load(files_of(MASTER)[f"{api_server.FOLDER}/admission.yaml"])
    (plugin,) = config["plugins"]
    assert plugin["name"] == "PodSecurity"
    defaults = plugin["configuration"]["defaults"]
    assert {defaults[mode] for mode in ("enforce", "audit", "warn")} == {"restricted"}
    exempt = plugin["configuration"]["exemptions"]
    assert exempt == {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]}


def test_without_a_login_only_health_and_cluster_info_can_be_asked_for() -> None:
    config = yaml.safe_load(files_of(MASTER)[f"{api_server.FOLDER}/authentication.yaml"])
    paths = [condition["path"] for condition in config["anonymous"]["conditions"]]
    assert paths == [
        "/livez",
        "/readyz",
        "/healthz",
        "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    ]


def test_secrets_come_first_in_the_audit_policy_and_without_their_bodies() -> None:
    first = policy()["rules"][0]
    assert first["level"] == "Metadata"
    assert not first.keys() & {"users", "userGroups", "verbs", "namespaces"}, "whoever it is"
    core = next(r["resources"] for r in first["resources"] if r["group"] == "")
    assert {"secrets", "configmaps", "serviceaccounts/token"} <= set(core)
    bodies = [rule for rule in policy()["rules"] if rule["level"].startswith("Request")]
    assert bodies, "a change of rights is noted with what it says"
    assert not [rule for rule in bodies if "secrets" in json.dumps(rule)]
    assert "RequestResponse" not in {rule["level"] for rule in policy()["rules"]}


def test_what_no_rule_names_is_noted_too() -> None:
    assert policy()["rules"][-1] == {"level": "Metadata"}


def test_the_audit_log_is_kept_as_the_settings_say() -> None:
    flags = api_server.arguments(Audit(days=7, files=3))
    assert (flags["audit-log-maxage"], flags["audit-log-maxbackup"]) == ("7", "3")
    assert int(flags["audit-log-maxsize"]) > 0, "in MiB; 0 would never begin another file"


def test_the_newest_key_encrypts_and_every_key_decrypts() -> None:
    keys = [api_server.encryption_key(f"drawn {number}") for number in range(3)]
    config = json.loads(api_server.encryption_config(keys))
    (rule,) = config["resources"]
    assert rule["resources"] == ["secrets"]
    secretbox, identity = rule["providers"]
    given = [(key["name"], key["secret"]) for key in secretbox["secretbox"]["keys"]]
    assert given == [("key-3", keys[2]), ("key-2", keys[1]), ("key-1", keys[0])]
    assert identity == {"identity": {}}, "last: it never encrypts"
    assert {len(base64.b64decode(key)) for key in keys} == {32}


def test_no_key_is_in_user_data() -> None:
    assert "secretbox" not in "".join(
        text for path, text in files_of(MASTER).items() if not path.endswith(".py")
    )
    assert home_settings().hardening.encryption_key == 1
