"""Who may join, and how a worker leaves."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from bootstrap_cases import TOKEN, home
from bootstrap_node_cases import FakeNode, fake_node

from ampere_infra.bootstrap.node import cluster, dismissal, members
from ampere_infra.bootstrap.node.core import Failed

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO, LATER = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    made = fake_node(tmp_path, monkeypatch, home().master)
    made.nodes()
    made.type(f"{TOKEN}\n")
    return made


def record(node: FakeNode, worker: str = "w1") -> dict[str, str]:
    return json.loads((node.root / f"srv/ampere/members/{worker}").read_text())


def test_an_admitted_worker_has_a_token_that_ends(node: FakeNode) -> None:
    members.admit("w1", "60")
    data = node.applied["stringData"]
    assert f"{data['token-id']}.{data['token-secret']}" == TOKEN
    ends = time.strptime(data["expiration"], "%Y-%m-%dT%H:%M:%SZ")
    left = time.mktime(ends) - time.mktime(time.gmtime())
    assert 3500 < left <= 3600, "the minutes that the settings say"


def test_the_token_is_on_no_command_line(node: FakeNode) -> None:
    members.admit("w1", "60")
    assert not [call for call in node.calls if TOKEN.partition(".")[2] in call]


def test_a_token_lives_on_until_its_worker_has_registered(node: FakeNode) -> None:
    members.admit("w1", "60")
    (node.programs / "applied.json").unlink()
    members.keep_tokens()
    assert node.applied["metadata"]["name"] == "bootstrap-token-canary", "renewed"


def test_the_token_of_a_joined_worker_is_taken_away_and_forgotten(node: FakeNode) -> None:
    members.admit("w1", "60")
    node.nodes(w1=(LATER, True))
    members.keep_tokens()
    assert "delete secret bootstrap-token-canary --ignore-not-found" in node.calls[-1]
    assert "token" not in record(node), "only its id is remembered"
    node.forget()
    members.keep_tokens()
    assert not node.calls, "there is nothing left to do for it"


def test_a_node_left_by_the_machine_before_does_not_count_as_joined(node: FakeNode) -> None:
    node.nodes(w1=(LONG_AGO, False))
    members.admit("w1", "60")
    assert any("delete node w1" in call for call in node.calls), "the stale node is removed"
    node.nodes(w1=(LONG_AGO, True))
    members.keep_tokens()
    assert "token" in record(node), "its token is kept for the new machine"


def test_admitting_again_with_the_same_token_changes_no_record(node: FakeNode) -> None:
    members.admit("w1", "60")
    before = record(node)
    node.type(TOKEN)
    members.admit("w1", "60")
    assert record(node) == before


def test_another_token_replaces_the_one_before(node: FakeNode) -> None:
    members.admit("w1", "60")
    node.type("second.0123456789abcdef")
    members.admit("w1", "60")
    assert any("delete secret bootstrap-token-canary" in call for call in node.calls)
    assert record(node)["id"] == "second"


def test_one_failure_does_not_keep_the_others_tokens_from_renewal(node: FakeNode) -> None:
    members.admit("w1", "60")
    node.type("second.0123456789abcdef")
    members.admit("w2", "60")
    node.answer("kubectl", "exit 1")
    with pytest.raises(Failed) as failed:
        members.keep_tokens()
    assert str(failed.value).count("kubectl get nodes") == 2, "both were tried"


TIMEOUT = "Error from server (Timeout): the server was unable to return a response in the time"
REFUSED = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host?"


@pytest.mark.parametrize("said", [TIMEOUT, REFUSED])
def test_a_server_that_is_busy_is_asked_again(
    node: FakeNode, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    members.admit("w1", "60")
    node.nodes(w1=(LATER, False))
    met = f'"{node.programs}/met-$2"'
    busy = f'[ -e {met} ] || {{ touch {met}; echo "{said}" >&2; exit 1; }}'
    node.answer("kubectl", f'{busy}; [ "$2" != get ] || cat "{node.programs}/nodes.json"')
    node.forget()
    dismissal.dismiss("w1", "10")
    assert f"once more in 5 s: kubectl get nodes --output=json: {said}" in capsys.readouterr().err
    twice = ("get", "drain", "delete", "--namespace=kube-system")
    assert Counter(call.split()[2] for call in node.calls) == dict.fromkeys(twice, 2)


def test_a_server_that_stays_busy_ends_it_with_its_words(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0)
    node.answer("kubectl", f'echo "{TIMEOUT}" >&2; exit 1')
    with pytest.raises(Failed, match="kubectl get nodes --output=json: Error from server"):
        dismissal.dismiss("w1", "10")


def test_what_the_server_refuses_is_not_asked_again(node: FakeNode) -> None:
    node.answer("kubectl", 'echo "Error from server (Forbidden): nodes is forbidden" >&2; exit 1')
    with pytest.raises(Failed, match="Forbidden"):
        dismissal.dismiss("w1", "10")
    assert len(node.calls) == 1


def test_a_ready_worker_is_drained_and_removed(node: FakeNode) -> None:
    members.admit("w1", "60")
    members.roster("w1", "w2")
    node.nodes(w1=(LATER, True), w2=(LATER, True))
    node.forget()
    dismissal.dismiss("w1", "10")
    done = [call.split("admin.conf ")[1] for call in node.calls]
    assert [call.split(" --")[0] for call in done if "get nodes" not in call] == [
        "drain w1",
        "delete node w1",
        "--namespace=kube-system delete secret bootstrap-token-canary",
    ]
    assert not node.has("/srv/ampere/members/w1")


def test_a_worker_without_a_node_only_loses_its_admission(node: FakeNode) -> None:
    members.admit("w1", "60")
    members.roster("w1", "w2")
    dismissal.dismiss("w1", "10")
    assert not [call for call in node.calls if "drain" in call]
    assert not node.has("/srv/ampere/members/w1")


def test_leaving_twice_is_leaving_once(node: FakeNode) -> None:
    dismissal.dismiss("w1", "10")
    dismissal.dismiss("w1", "10")


def test_a_worker_stays_while_another_is_not_ready(
    node: FakeNode, capsys: pytest.CaptureFixture[str]
) -> None:
    members.roster("w1", "w2", "w3")
    node.nodes(w1=(LATER, True), w2=(LATER, False))
    with pytest.raises(Failed, match="w1 stays: for 20 s these were not ready: w2, w3"):
        dismissal.dismiss("w1", "20")
    assert not [call for call in node.calls if "drain" in call]
    assert "w1 leaves when these are ready: w2, w3" in capsys.readouterr().err, "it says so"


def test_a_worker_that_is_not_ready_does_not_wait_for_the_others(node: FakeNode) -> None:
    members.roster("w1", "w2")
    node.nodes(w1=(LATER, False), w2=(LATER, False))
    dismissal.dismiss("w1", "10")
    drained = next(call for call in node.calls if "drain w1" in call)
    assert "--skip-wait-for-delete-timeout" in drained, "its pods will never say that they ended"


def test_two_workers_leave_one_after_the_other(node: FakeNode) -> None:
    members.roster("w1", "w2")
    node.nodes(w1=(LATER, True), w2=(LATER, True))
    dismissal.dismiss("w1", "10")
    node.nodes(w2=(LATER, True))
    with pytest.raises(Failed, match="w2 stays: for 10 s these were not ready: w1"):
        dismissal.dismiss("w2", "10")
    node.nodes(w1=(LATER, True), w2=(LATER, True))
    dismissal.dismiss("w2", "10")
    assert "drain w2" in " ".join(node.calls), "once w1 is back"


def test_only_one_worker_at_a_time_holds_the_turn(node: FakeNode) -> None:
    members.roster("w1", "w2")
    node.nodes(w1=(LATER, True), w2=(LATER, True))
    order: list[str] = []

    def second() -> None:
        with dismissal.turn("w2", 10):
            order.append("w2")

    thread = threading.Thread(target=second)
    with dismissal.turn("w1", 10):
        thread.start()
        thread.join(timeout=0.3)
        order.append("w1")
    thread.join()
    assert order == ["w1", "w2"]
