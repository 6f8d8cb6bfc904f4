"""``kubeadm join`` on the node, cut off wherever it may be."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from bootstrap_cases import TOKEN, home
from bootstrap_node_cases import FakeNode, fake_node

from ampere_infra.bootstrap.node import api, core, receive, worker
from ampere_infra.bootstrap.node.core import Failed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

START = "start --no-block kubeadm-join.path ampere-converge.timer"


class PowerCutError(Exception):
    """The machine is without power from here on."""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeNode]:
    made = fake_node(tmp_path, monkeypatch, home().worker)
    made.put("/var/lib/ampere/public/cluster-info", "public")
    kubelet = made.root / "etc/kubernetes/kubelet.conf"
    joined = f'cp "${{2#--config=}}" "{made.programs}/used"; mkdir -p "{kubelet.parent}"'
    made.answer("kubeadm", f'[ "$1" = reset ] || {{ {joined}; echo k > "{kubelet}"; }}')
    registered = f'[ -e "{made.programs}/used" ] && case "$*" in'
    made.answer(
        "kubectl", f"{registered} *status*) printf True;; *) printf ampere-k8s-node1;; esac"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), api.OnlyClusterInfo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        made.facts(api_address="127.0.0.1", join_port=server.server_port)
        made.type(f"{TOKEN}\n")
        receive.receive_token()
        yield made
        server.shutdown()
        thread.join()


def kubeadm_calls(node: FakeNode) -> list[str]:
    return [call.split()[1] for call in node.calls if call.startswith("kubeadm")]


def test_a_worker_joins_with_its_token_and_the_pinned_ca(node: FakeNode) -> None:
    worker.join()
    used = (node.programs / "used").read_text()
    assert f"token: {TOKEN}" in used, "the token was put in"
    assert "caCertHashes:\n      - sha256:" in used, "the CA is pinned"
    assert "unsafeSkipCAVerification" not in used
    assert core.marked("NODE_JOINED")


def test_nothing_of_the_token_is_left_after_the_join(node: FakeNode) -> None:
    worker.join()
    left = [path for path in node.root.rglob("*") if path.is_file() and TOKEN in path.read_text()]
    assert not left, "a joined worker needs no token"


def test_an_interrupted_join_is_begun_afresh(node: FakeNode) -> None:
    node.put("/etc/kubernetes/bootstrap-kubelet.conf")
    worker.join()
    assert kubeadm_calls(node) == ["reset", "join"]


def test_a_join_that_lost_only_its_marker_is_not_done_again(node: FakeNode) -> None:
    worker.join()
    (node.root / "var/lib/ampere/NODE_JOINED").unlink()
    node.forget()
    worker.join()
    assert not kubeadm_calls(node), "the node is registered"
    assert core.marked("NODE_JOINED")


def test_a_worker_waits_for_a_control_plane_that_takes_workers(node: FakeNode) -> None:
    node.facts(join_port=1)
    with pytest.raises(Failed, match="takes no workers yet"):
        worker.join()
    assert not kubeadm_calls(node)


def test_a_node_that_never_gets_ready_has_not_joined(node: FakeNode) -> None:
    node.answer("kubectl", "printf False")
    with pytest.raises(Failed, match="not ready"):
        worker.join()
    assert not core.marked("NODE_JOINED")


def test_what_is_no_token_is_refused(node: FakeNode) -> None:
    node.type("$(reboot)")
    with pytest.raises(Failed, match="no bootstrap token"):
        receive.receive_token()


def test_a_joined_worker_needs_its_token_no_more(node: FakeNode) -> None:
    worker.join()
    node.forget()
    node.type(TOKEN)
    receive.receive_token()
    assert not node.has(receive.TOKEN)
    assert core.marked("NODE_JOINED")
    assert not node.calls, "nothing is started again"


def test_a_worker_that_was_dismissed_joins_again_with_its_new_token(node: FakeNode) -> None:
    worker.join()
    (node.programs / "used").unlink()
    node.forget()
    node.type(f"fedcba.{TOKEN.partition('.')[2]}")
    receive.receive_token()
    assert not core.marked("NODE_JOINED")
    assert changes(node) == ["stop kubeadm-join.service", START]
    worker.join()
    assert kubeadm_calls(node) == ["reset", "join"]
    assert core.marked("NODE_JOINED")


def changes(node: FakeNode) -> list[str]:
    """Return what systemd was told, not what it was asked."""
    told = [call.partition(" ")[2] for call in node.calls if call.startswith("systemctl")]
    return [words for words in told if not words.startswith("is-active")]


@pytest.mark.parametrize("lost", ["", "stop", "start"])
def test_what_joins_again_is_stopped_when_all_is_there_and_however_often_the_way_is_lost(
    node: FakeNode, lost: str
) -> None:
    worker.join()
    marker = node.root / "var/lib/ampere/NODE_JOINED"
    stopped = f'[ -e "{node.programs}/stopped" ]'
    stop = f'[ ! -e "{marker}" ] || exit 9; touch "{node.programs}/stopped"'
    node.answer(
        "systemctl",
        f'case "$1" in is-active) ! {stopped};; stop) {stop};; esac || exit\n'
        f'[ "$1" != "{lost}" ] || [ -e "{node.programs}/lost" ] || '
        f'{{ touch "{node.programs}/lost"; exit 1; }}',
    )
    node.forget()
    for _ in range(2):
        node.type(f"fedcba.{TOKEN.partition('.')[2]}")
        try:
            receive.receive_token()
        except Failed:
            assert lost
    assert changes(node)[:1] == ["stop kubeadm-join.service"]
    assert changes(node)[-1] == START
    assert changes(node).count("stop kubeadm-join.service") == 1


@pytest.mark.parametrize("cut", ["os.sync", f"{core.__name__}.sync_folder"])
def test_a_power_cut_while_the_marker_is_made_costs_no_hand(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    def gone(*folder: Path) -> None:
        if not folder or folder[0] == node.root / "var/lib/ampere":
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(cut, gone)
        with pytest.raises(PowerCutError):
            worker.join()
    assert node.has(receive.TOKEN) is not core.marked("NODE_JOINED")


def test_a_worker_that_came_back_by_itself_is_not_joined_twice(node: FakeNode) -> None:
    worker.join()
    node.forget()
    node.type(f"fedcba.{TOKEN.partition('.')[2]}")
    receive.receive_token()
    worker.join()
    assert not kubeadm_calls(node), "its kubelet had registered it again"
    assert core.marked("NODE_JOINED")
