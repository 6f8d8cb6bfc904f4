"""What hardens the control plane, in a real one: the files as rendered, the flags as of kubeadm."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from ampere_infra import tools
from ampere_infra.bootstrap.api_server import (
    AUDIT_LOGS,
    ENCRYPTION,
    encryption_config,
    encryption_key,
)
from ampere_infra.bootstrap.node import core, encryption
from ampere_infra.rehearsal.doubles.kubernetes.real.api import ApiError
from tests.cluster.cluster import Cluster, given

if TYPE_CHECKING:
    from collections.abc import Generator

CANARY = "canary-of-a-secret-0x7f3a"
KEYS = [encryption_key("drawn first"), encryption_key("drawn second")]
PRIVILEGED = {
    "containers": [
        {
            "name": "c",
            "image": "registry.k8s.io/pause:3.10",
            "securityContext": {"privileged": True},
        }
    ],
    "hostNetwork": True,
    "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
}
RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "c",
            "image": "registry.k8s.io/pause:3.10",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with Cluster(given({ENCRYPTION: encryption_config(KEYS[:1])})) as made:
        yield made


def put(cluster: Cluster, kind: str, name: str, namespace: str, **more: Any) -> None:
    version = more.pop("apiVersion", "v1")
    metadata = {"name": name, "namespace": namespace}
    thing = {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
    cluster.api.apply(thing, "tests")


def stored(cluster: Cluster, prefix: str) -> list[bytes]:
    found = list(cluster.stored(f"/registry/{prefix}").values())
    assert found, "or it proves nothing"
    return found


def test_secrets_stand_encrypted_in_etcd(cluster: Cluster):
    put(cluster, "Secret", "login", "default", stringData={"password": CANARY})
    (raw,) = stored(cluster, "secrets/default/login")
    assert raw.startswith(b"k8s:enc:secretbox:v1:key-1:"), raw[:40]
    everything = b"".join(stored(cluster, ""))
    assert CANARY.encode() not in everything, "nowhere in etcd"
    read = cluster.kubectl(
        "get", "secret", "login", "--output=go-template={{.data.password|base64decode}}"
    )
    assert read.stdout == CANARY, "who may read it gets it"


def test_what_is_no_secret_stands_in_clear_so_that_the_search_proves_something(cluster: Cluster):
    put(cluster, "ConfigMap", "plain", "default", data={"text": "plain-canary"})
    assert b"plain-canary" in b"".join(stored(cluster, "configmaps/default"))


def audited(cluster: Cluster) -> list[dict[str, Any]]:
    text = (cluster.root / f"{AUDIT_LOGS}/audit.log".lstrip("/")).read_text()
    return [json.loads(line) for line in text.splitlines()]


def about(cluster: Cluster, resource: str, name: str) -> list[dict[str, Any]]:
    named = [(event, event.get("objectRef", {})) for event in audited(cluster)]
    found = [
        event for event, ref in named if (ref.get("resource"), ref.get("name")) == (resource, name)
    ]
    assert found, f"the log tells of {resource} {name}"
    return found


def test_the_audit_log_says_who_touched_a_secret_and_never_what_is_in_it(cluster: Cluster):
    put(cluster, "Secret", "noted", "default", stringData={"password": CANARY})
    cluster.kubectl("get", "secret", "noted", "--output=yaml")
    events = about(cluster, "secrets", "noted")
    assert {event["level"] for event in events} == {"Metadata"}
    assert {"patch", "get"} <= {event["verb"] for event in events}
    log = cluster.root / f"{AUDIT_LOGS}/audit.log".lstrip("/")
    text = log.read_text()
    encoded = "Y2FuYXJ5LW9mLWEtc2VjcmV0LTB4N2YzY"
    assert CANARY not in text
    assert encoded not in text, "nor in base64"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_audit_log_says_what_a_change_of_rights_was(cluster: Cluster):
    put(
        cluster,
        "Role",
        "reader",
        "default",
        apiVersion="rbac.authorization.k8s.io/v1",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    )
    (event,) = about(cluster, "roles", "reader")
    assert event["requestObject"]["rules"][0]["verbs"] == ["get"]


def test_the_audit_log_leaves_out_what_machines_say_all_the_time(cluster: Cluster):
    assert cluster.ready(), "a probe, as each kubelet's"
    seen = audited(cluster)
    assert not [event for event in seen if event["requestURI"].startswith(("/readyz", "/livez"))]
    assert not [e for e in seen if e.get("objectRef", {}).get("resource") == "leases"]


def namespace(cluster: Cluster, name: str, **labels: str) -> str:
    metadata = {"name": name, "labels": labels}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, "tests")
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    cluster.api.apply({**account, "metadata": {"name": "default", "namespace": name}}, "tests")
    return name


def test_a_privileged_pod_is_refused_in_a_namespace_without_labels(cluster: Cluster):
    for name in (namespace(cluster, "unlabelled"), "default", "kube-public", "kube-node-lease"):
        namespace(cluster, name)
        with pytest.raises(ApiError, match='violates PodSecurity "restricted:latest"'):
            put(cluster, "Pod", "privileged", name, spec=PRIVILEGED)
        put(cluster, "Pod", "restricted", name, spec=RESTRICTED)


def test_a_privileged_pod_is_let_into_kube_system_and_where_a_label_says_so(cluster: Cluster):
    label = {"pod-security.kubernetes.io/enforce": "privileged"}
    labelled = namespace(cluster, "labelled", **label)
    for name in (namespace(cluster, "kube-system"), labelled):
        put(cluster, "Pod", "privileged", name, spec=PRIVILEGED)


def asked(cluster: Cluster, path: str, context: ssl.SSLContext | None = None) -> int:
    """The status that somebody without a login gets."""
    context = context or ssl.create_default_context(cafile=str(cluster.plane.pki / "ca.crt"))
    try:
        with urllib.request.urlopen(f"{cluster.plane.server}{path}", context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_without_a_login_only_health_is_told(cluster: Cluster):
    assert [asked(cluster, path) for path in ("/readyz", "/livez", "/healthz")] == [200] * 3
    for path in ("/version", "/api", "/apis", "/openapi/v2", "/metrics", "/readyz/etcd"):
        assert asked(cluster, path) == 401, path


def test_kubeadms_discovery_still_reads_cluster_info(cluster: Cluster):
    config = cluster.plane.kubernetes / "kubeadm.yaml"
    phase = ("init", "phase", "bootstrap-token", "--skip-token-print")
    options = ("--config", config, "--kubeconfig", cluster.kubeconfig)
    done = subprocess.run(
        [tools.path("kubeadm"), *phase, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    path = "/api/v1/namespaces/kube-public/configmaps"
    assert asked(cluster, f"{path}/cluster-info") == 200
    assert asked(cluster, f"{path}/cluster-info?timeout=10s") == 200, "as kubeadm join asks"
    assert asked(cluster, path) == 401, "and nothing beside it"


def test_nobody_gets_a_profile_nor_an_old_tls(cluster: Cluster):
    profile = cluster.kubectl("get", "--raw", "/debug/pprof/")
    assert "could not find the requested resource" in profile.stderr, profile.stdout
    old = ssl.create_default_context(cafile=str(cluster.plane.pki / "ca.crt"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(urllib.error.URLError, match=r"(?i)protocol version"):
        asked(cluster, "/readyz", old)


def test_a_new_key_is_taken_up_without_a_restart_and_encrypts_all_secrets(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(core, "ROOT", cluster.root)
    monkeypatch.setenv("PATH", str(tools.path("kubectl").parent), prepend=":")
    put(cluster, "Secret", "old", "default", stringData={"password": CANARY})
    server = cluster.processes["kube-apiserver"].running
    core.write(core.at(ENCRYPTION), encryption_config(KEYS), 0o600)
    encryption.rewrite_secrets("2")
    for raw in stored(cluster, "secrets/"):
        assert raw.startswith(b"k8s:enc:secretbox:v1:key-2:"), raw[:40]
    assert cluster.processes["kube-apiserver"].running is server, "the same process"
    options = ("--output=go-template={{.data.password|base64decode}}",)
    assert cluster.kubectl("get", "secret", "old", *options).stdout == CANARY
