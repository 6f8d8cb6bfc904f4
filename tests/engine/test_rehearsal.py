"""The whole ``home``, from the project's own stack file, as a person sees it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAGES = ("machines", "OS", "Kubernetes", "platform", "workers", "services")


def test_a_rehearsal_of_home_passes_its_verdict(rehearsed):
    assert rehearsed.code == 0, "\n".join(rehearsed.lines)
    verdict = rehearsed.lines[-1]
    assert re.match(r"\d+ created, 0 changed on the second up, 0 left after destroy", verdict)
    assert int(verdict.split()[0]) > 100, "home is a hundred resources and more"


def test_the_tree_shows_every_component_and_machine(rehearsed):
    tree = "\n".join(rehearsed.lines[: rehearsed.lines.index("up:")])
    for name in ("ampere-k8s-master", "ampere-k8s-node1", "ampere-k8s-node2", "ampere-k8s-node3"):
        assert name in tree, f"{name} has to stand in the tree"
    for area in ("machines", "bootstrap", "platform", "services"):
        assert f"ampere:{area}:" in tree, f"the tree has to show the components of {area}"
    assert "│  ├─ " in tree, "what a component is made of stands below it"


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_says_when_it_is_done(rehearsed, stage):
    pattern = rf"    {stage} +\d+ created +\d+\.\d s"
    assert any(re.fullmatch(pattern, line) for line in rehearsed.lines), (
        f"no progress line says that {stage} is done"
    )


def test_secret_outputs_are_not_shown(rehearsed):
    shown = [line for line in rehearsed.lines if line.strip().startswith("kubeconfig")]
    assert [line.split() for line in shown] == [["kubeconfig", "[secret]"]]


def test_a_protected_stack_is_not_destroyed_by_accident(rehearsed):
    refusal = next(line for line in rehearsed.lines if line.startswith("destroy: refused"))
    assert "ampere-k8s-master" in refusal, "the master has to be protected"


@pytest.mark.parametrize(
    "wanted",
    [
        "nodes/ampere-k8s-node3/user-data",
        "nodes/ampere-k8s-node3/network-config",
        "nodes/ampere-k8s-master/files/etc/ampere/kubeadm-init.yaml",
        "nodes/ampere-k8s-node3/files/etc/ampere/kubeadm-join.yaml",
        "nodes/ampere-k8s-master/files/etc/systemd/system/kubeadm-init.service",
        "hosts/192.168.1.29/etc/nginx/conf.d/ampere-k8s.conf",
        "hosts/192.168.1.29/etc/nginx/modules-enabled/90-ampere-k8s-stream.conf",
        "releases/airflow/airflow.yaml",
        "objects/airflow/NetworkPolicy-default.yaml",
    ],
)
def test_every_rendered_file_can_be_looked_at(rehearsed, wanted):
    file = rehearsed.folder / "rendered" / wanted
    assert file.is_file(), f"{wanted} is what somebody will want to see"
    assert file.stat().st_size > 0


def test_nothing_secret_is_kept_with_the_rendered_files(rehearsed):
    kept = [p for p in rehearsed.folder.rglob("*") if p.name in {"age.txt", "id_ed25519"}]
    assert kept == [], "keys belong in the folder that vanishes"


@pytest.fixture(scope="module")
def kubeconfig(home) -> dict[str, Any]:
    return yaml.safe_load(home.outputs["kubeconfig"])


def test_kubectl_reads_the_kubeconfig(
    home, tmp_path: Path, tool: Callable[[str], Path], kubeconfig: dict[str, Any]
):
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(home.outputs["kubeconfig"], encoding="utf-8")
    answer = subprocess.run(
        [tool("kubectl"), "--kubeconfig", file, "config", "view", "--minify", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(answer.stdout)
    assert seen["clusters"][0]["cluster"]["server"] == "https://192.168.1.29:6443", (
        "behind NAT the API is reached through the host"
    )
    assert seen["current-context"] == kubeconfig["current-context"]
    assert seen["current-context"].startswith("ampere-k8s") or "@" in seen["current-context"]


def test_the_kubeconfig_holds_an_administrator_whom_the_cluster_s_own_ca_signed(kubeconfig):
    user = kubeconfig["users"][0]["user"]
    cluster = kubeconfig["clusters"][0]["cluster"]
    authority = x509.load_pem_x509_certificate(_decoded(cluster["certificate-authority-data"]))
    admin = x509.load_pem_x509_certificate(_decoded(user["client-certificate-data"]))
    admin.verify_directly_issued_by(authority)
    groups = admin.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [group.value for group in groups] == ["kubeadm:cluster-admins"]
    usage = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    key = serialization.load_pem_private_key(_decoded(user["client-key-data"]), password=None)
    assert key.public_key() == admin.public_key(), "the key has to be the certificate's"
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_no_certificate_check_is_turned_off(kubeconfig):
    cluster = kubeconfig["clusters"][0]["cluster"]
    assert "insecure-skip-tls-verify" not in cluster


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def test_the_outputs_say_where_everything_is(home):
    outputs = home.outputs
    text = json.dumps({k: v for k, v in outputs.items() if k != "kubeconfig"})
    for wanted in (
        "https://192.168.1.29:6443",
        "ampere-k8s-master",
        "10.10.10.10",
        "ampere-k8s-node3",
        "10.10.10.13",
        "http://minio.local",
        "http://airflow.local",
        "http://s3.minio.local",
        "1.36.3",
    ):
        assert wanted in text, f"{wanted} has to be among the outputs: {text}"
