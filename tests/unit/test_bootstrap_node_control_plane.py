"""``kubeadm init`` on the node, cut off wherever it may be."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from bootstrap_cases import home
from bootstrap_node_cases import FakeNode, fake_node

from ampere_infra.bootstrap.api_server import encryption_config, encryption_key
from ampere_infra.bootstrap.node import control_plane, core, encryption, pki
from ampere_infra.bootstrap.node.core import Blocked, Failed

if TYPE_CHECKING:
    from pathlib import Path

KEYS = [encryption_key(f"canary {number}") for number in range(3)]
CA = {
    "ca.crt": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    "ca.key": "-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----\n",
    "encryption.json": encryption_config(KEYS[:1]),
}
MADE = " ".join(control_plane.KEPT)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    made = fake_node(tmp_path, monkeypatch, home().master)
    folder = made.root / "etc/kubernetes/pki"
    init = (
        f'mkdir -p "{folder}/etcd" "{made.root}/srv/ampere/etcd/member";'
        f' for f in {MADE}; do echo "$f of this init" > "{folder}/$f"; done;'
        f' echo admin > "{made.root}/etc/kubernetes/admin.conf"'
    )
    reset = f'rm -rf "{folder}"; rm -f "{made.root}"/etc/kubernetes/*.conf'
    made.answer("kubeadm", f'case "$1" in init) {init};; reset) {reset};; esac')
    made.type(json.dumps(CA))
    pki.receive_pki()
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


@pytest.mark.parametrize("cut", range(13))
def test_whatever_call_is_cut_off_the_next_try_ends_the_same(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    left = iter(range(cut))
    real = core.write

    def until_cut(*words: Any, **named: Any) -> None:
        if next(left, None) is None:
            raise SystemExit
        real(*words, **named)

    with monkeypatch.context() as patched:
        for module in (control_plane, core, encryption):
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
        pki.receive_pki()
    node.type(json.dumps(CA))
    pki.receive_pki()


def test_half_a_ca_is_refused(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(CA | {"ca.key": ""})))
    with pytest.raises(Failed, match="no CA"):
        pki.receive_pki()
    assert node.has("/var/lib/ampere/pki/ca.key"), "what was there stays"


def push(node: FakeNode, keys: list[str]) -> None:
    node.type(json.dumps(CA | {"encryption.json": encryption_config(keys)}))
    pki.receive_pki()


def test_the_pushed_keys_for_secrets_are_for_root_alone_and_not_on_the_data_disk(
    node: FakeNode,
) -> None:
    control_plane.init()
    file = node.root / encryption.CONFIG.lstrip("/")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    beside_etcd = [path for path in (node.root / "srv/ampere").rglob("*") if path.is_file()]
    assert beside_etcd, "or it proves nothing"
    assert not [path for path in beside_etcd if KEYS[0] in path.read_text()]


def test_the_cas_key_comes_last_because_it_starts_kubeadm(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(pki, "write", lambda path, *_: written.append(path.name))
    push(node, KEYS[:1])
    assert written == ["config.json", "ca.crt", "ca.key"]


def test_a_new_key_comes_with_those_before_it(node: FakeNode) -> None:
    control_plane.init()
    push(node, KEYS[:2])
    config = json.loads((node.root / encryption.CONFIG.lstrip("/")).read_text())
    names = [key["name"] for key in config["resources"][0]["providers"][0]["secretbox"]["keys"]]
    assert names == ["key-2", "key-1"], "the first encrypts, all decrypt"
    with pytest.raises(Failed, match=r"Secrets in etcd need key-2: .* never goes down"):
        push(node, KEYS[:1])
    assert json.loads((node.root / encryption.CONFIG.lstrip("/")).read_text()) == config


def test_a_rebuilt_master_takes_up_its_data_only_with_the_same_keys(node: FakeNode) -> None:
    control_plane.init()
    (node.root / "var/lib/ampere/CONTROL_PLANE_CREATED").unlink()
    push(node, [KEYS[2]])
    node.forget()
    with pytest.raises(Blocked, match="the data disk's Secrets need key-1"):
        control_plane.init()
    assert not started(node), "nothing was touched"
    push(node, KEYS[:2])
    control_plane.init()
    assert core.marked("CONTROL_PLANE_CREATED")


@pytest.mark.parametrize("text", ["", "{}", '{"resources": [{"providers": [{"identity": {}}]}]}'])
def test_what_is_no_configuration_of_keys_is_refused(node: FakeNode, text: str) -> None:
    node.type(json.dumps(CA | {"encryption.json": text}))
    with pytest.raises(Failed, match="no EncryptionConfiguration"):
        pki.receive_pki()


def loaded(node: FakeNode) -> str:
    digest = hashlib.sha256((node.root / encryption.CONFIG.lstrip("/")).read_bytes()).hexdigest()
    return f'{encryption.LOADED}{{apiserver_id_hash="x",hash="sha256:{digest}"}} 1'


def test_secrets_are_rewritten_once_the_api_server_has_the_new_key(node: FakeNode) -> None:
    listed = '{"items": [{"kind": "Secret"}]}'
    metrics = f"echo '{loaded(node)}'"
    node.answer("kubectl", f"case \"$*\" in *metrics*) {metrics};; *get*) echo '{listed}';; esac")
    encryption.rewrite_secrets("2")
    replaced = node.calls[-1]
    assert replaced.endswith("replace --filename=-"), "their values go by standard input"


def test_secrets_are_not_rewritten_with_the_old_key(node: FakeNode) -> None:
    node.answer("kubectl", "echo something_else 1")
    with pytest.raises(Failed, match="has not loaded"):
        encryption.rewrite_secrets("2")
    assert not [call for call in node.calls if "replace" in call]


def test_a_secret_that_changed_meanwhile_is_read_again(node: FakeNode) -> None:
    listed = '{"items": [{"kind": "Secret"}]}'
    conflict = f"[ -e {node.root}/once ] || {{ touch {node.root}/once; exit 1; }}"
    cases = f"*metrics*) echo '{loaded(node)}';; *get*) echo '{listed}';; *replace*) {conflict};;"
    node.answer("kubectl", f'case "$*" in {cases} esac')
    encryption.rewrite_secrets("2")
    assert sum("replace" in call for call in node.calls) == 2
