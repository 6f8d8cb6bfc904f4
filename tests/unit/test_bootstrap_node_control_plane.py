"""``kubeadm init`` on the node, cut off wherever it may be."""

from __future__ import annotations

import io
import json
import stat
from typing import TYPE_CHECKING

import pytest
from bootstrap_cases import home
from bootstrap_node_cases import FakeNode, fake_node

from ampere_infra.bootstrap.node import control_plane, core, receive
from ampere_infra.bootstrap.node.core import Failed

if TYPE_CHECKING:
    from pathlib import Path

CA = {
    "ca.crt": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    "ca.key": "-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----\n",
}
MADE = " ".join(control_plane.KEPT)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    made = fake_node(tmp_path, monkeypatch, home().master)
    pki = made.root / "etc/kubernetes/pki"
    init = (
        f'mkdir -p "{pki}/etcd" "{made.root}/srv/ampere/etcd/member";'
        f' for f in {MADE}; do echo "$f of this init" > "{pki}/$f"; done;'
        f' echo admin > "{made.root}/etc/kubernetes/admin.conf"'
    )
    reset = f'rm -rf "{pki}"; rm -f "{made.root}"/etc/kubernetes/*.conf'
    made.answer("kubeadm", f'case "$1" in init) {init};; reset) {reset};; esac')
    made.type(json.dumps(CA))
    receive.receive_pki()
    return made


def started(node: FakeNode) -> list[str]:
    return [call.split(" --")[0] for call in node.calls if call.startswith("kubeadm")]


def test_a_fresh_node_is_initialised_with_the_pushed_ca(node: FakeNode) -> None:
    control_plane.init()
    assert started(node) == ["kubeadm init"], "one try, no reset before it"
    assert (node.root / "etc/kubernetes/pki/ca.key").read_text() == CA["ca.key"]
    assert core.marked("CONTROL_PLANE_CREATED"), "the marker was earned"


def test_the_token_that_kubeadm_makes_by_itself_is_not_shown_and_not_left(node: FakeNode) -> None:
    control_plane.init()
    assert "--skip-token-print" in node.calls[0]
    assert "delete secrets --field-selector=type=bootstrap.kubernetes.io/token" in node.calls[1]


def test_the_pushed_ca_is_for_root_alone(node: FakeNode) -> None:
    folder = node.root / "var/lib/ampere/pki"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600


def test_an_interrupted_init_is_begun_afresh_with_the_same_ca(node: FakeNode) -> None:
    node.put("/etc/kubernetes/manifests/etcd.yaml")
    node.put("/srv/ampere/etcd/member/half", "half")
    control_plane.init()
    assert started(node) == ["kubeadm reset", "kubeadm init"]
    assert not node.has("/srv/ampere/etcd/member/half"), "nobody was told of that etcd"
    assert (node.root / "etc/kubernetes/pki/ca.crt").read_text() == CA["ca.crt"]


def test_a_failed_init_earns_nothing(node: FakeNode) -> None:
    node.answer("kubeadm", "exit 1")
    with pytest.raises(Failed, match="kubeadm init"):
        control_plane.init()
    assert not core.marked("CONTROL_PLANE_CREATED")
    assert not node.has("/srv/ampere/cluster"), "the data disk is not taken for a finished cluster"


def test_a_finished_cluster_on_the_data_disk_is_never_emptied(node: FakeNode) -> None:
    control_plane.init()
    for gone in ("var/lib/ampere/CONTROL_PLANE_CREATED", "etc/kubernetes/admin.conf"):
        (node.root / gone).unlink()
    node.put("/srv/ampere/etcd/member/data", "the platform")
    node.put("/srv/ampere/pki/sa.key", "the first sa.key")
    node.forget()
    control_plane.init()
    assert "--skip-phases=remove-etcd-member" in node.calls[0], "the phase that empties etcd"
    assert "--ignore-preflight-errors=DirAvailable--srv-ampere-etcd" in node.calls[1]
    assert (node.root / "srv/ampere/etcd/member/data").read_text() == "the platform"
    assert core.marked("CONTROL_PLANE_CREATED")


def test_a_new_root_disk_gets_the_keys_of_the_old_one_before_kubeadm_runs(node: FakeNode) -> None:
    control_plane.init()
    (node.root / "var/lib/ampere/CONTROL_PLANE_CREATED").unlink()
    node.put("/srv/ampere/pki/sa.key", "the first sa.key")
    node.answer("kubeadm", f'[ "$1" = reset ] || cat "{node.root}/etc/kubernetes/pki/sa.key" >&2')
    control_plane.init()
    assert (node.root / "etc/kubernetes/pki/sa.key").read_text() == "the first sa.key"


def test_the_data_disk_of_another_cluster_is_left_alone(node: FakeNode) -> None:
    node.put("/srv/ampere/cluster", "another\n")
    with pytest.raises(Failed, match="belongs to the cluster another"):
        control_plane.init()
    assert not started(node)


@pytest.mark.parametrize("cut", range(12))
def test_whatever_call_is_cut_off_the_next_try_ends_the_same(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    left = iter(range(cut))
    real = core.write

    def until_cut(path: Path, text: str, mode: int = 0o644) -> None:
        if next(left, None) is None:
            raise SystemExit
        real(path, text, mode)

    with monkeypatch.context() as patched:
        for module in (control_plane, core):
            patched.setattr(module, "write", until_cut)
        try:
            control_plane.init()
        except SystemExit:
            assert not core.marked("CONTROL_PLANE_CREATED"), "the marker comes last"
    if not core.marked("CONTROL_PLANE_CREATED"):
        control_plane.init()
    assert core.marked("CONTROL_PLANE_CREATED")
    assert (node.root / "srv/ampere/pki/sa.key").exists(), "the keys are kept with the data"
    assert (node.root / "srv/ampere/cluster").read_text() == "ampere-k8s\n"


def test_another_ca_is_refused_once_the_control_plane_is_there(node: FakeNode) -> None:
    control_plane.init()
    other = CA | {"ca.crt": CA["ca.crt"].replace("x", "y")}
    node.type(json.dumps(other))
    with pytest.raises(Failed, match="another CA"):
        receive.receive_pki()
    node.type(json.dumps(CA))
    receive.receive_pki()


def test_half_a_ca_is_refused(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"ca.crt": "x", "ca.key": ""})))
    with pytest.raises(Failed, match="no CA"):
        receive.receive_pki()
    assert node.has("/var/lib/ampere/pki/ca.key"), "what was there stays"
