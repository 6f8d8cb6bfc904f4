"""A changed setting does what a person expects, and the preview says so before anything happens."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drill import HOME

from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from ampere_infra.rehearsal.engine import Outcome
    from ampere_infra.rehearsal.events import Step

Config = dict[str, Any]
ROSTER = "ampere-k8s-master-roster"
FRONT = "front-http"
QUOTA = "kubernetes:core/v1:ResourceQuota"
OURS = {
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:Secret",
    "kubernetes:helm.sh/v3:Release",
    "libvirt:index/domain:Domain",
    "command:remote:Command",
}


@pytest.fixture
def plan(home: Any) -> Generator[Callable[[Callable[[Config], None]], Outcome]]:
    """Preview ``home`` with a changed stack file; the next test finds it unchanged."""
    original = read_stack_file(HOME)

    def preview(change: Callable[[Config], None]) -> Outcome:
        config: Config = copy.deepcopy(original)
        change(config)
        home.stage.project.write(config)
        return home.stage.engine.preview()

    yield preview
    home.stage.project.write(original)


def worker(config: Config, number: int) -> dict[str, Any]:
    return config["ampere:workers"]["machines"][number - 1]


def belongs_to(node: str, step: Step) -> bool:
    return node in step.urn.partition("::pulumi:pulumi:Stack")[0]


def others(outcome: Outcome, node: str) -> list[str]:
    """Name what happens to anything but ``node``, leaving out the stack itself."""
    return [
        f"{step.op} {step.type} {step.name} {step.changed}"
        for step in outcome.events.changes
        if not belongs_to(node, step) and step.type != "pulumi:pulumi:Stack"
    ]


def ops(steps: Iterable[Step]) -> set[str]:
    return {step.op for step in steps}


def warnings(outcome: Outcome) -> str:
    return "\n".join(d.text for d in outcome.events.diagnostics if d.severity == "warning")


def test_an_unchanged_stack_file_changes_nothing(plan):
    assert plan(lambda config: None).events.changes == ()


def test_one_worker_more_adds_only_what_is_its_own(plan):
    def change(config: Config) -> None:
        fourth = worker(config, 3) | {"name": "ampere-k8s-node4", "address": "10.10.10.14"}
        config["ampere:workers"]["machines"].append(fourth)

    outcome = plan(change)
    assert outcome.ok, outcome.output
    own = [step for step in outcome.events.changes if belongs_to("ampere-k8s-node4", step)]
    assert ops(own) == {"create"}
    assert len(own) >= 10
    rest = others(outcome, "ampere-k8s-node4")
    assert all(line.startswith("update ") for line in rest), rest
    assert all("roster" in line or FRONT in line or QUOTA in line for line in rest), (
        f"only the list of members, the front's upstreams and the shares may be told: {rest}"
    )


def test_a_chart_s_value_changes_its_release_only(plan):
    def change(config: Config) -> None:
        config["ampere:services"]["airflow"]["executor"] = "KubernetesExecutor"

    changes = plan(change).events.changes
    assert [(step.op, step.type) for step in changes] == [
        ("update", "kubernetes:helm.sh/v3:Release")
    ]
    assert "airflow" in changes[0].name


def test_a_chart_s_version_changes_its_release_only(plan):
    def change(config: Config) -> None:
        config["ampere:versions"]["cilium"] = "1.20.1"

    changes = plan(change).events.changes
    assert [(step.op, step.name) for step in changes] == [("update", "cilium")]


def test_more_memory_for_a_worker_rebuilds_its_machine_and_touches_no_other(plan):
    outcome = plan(lambda config: worker(config, 2).update(memory="8GiB"))
    assert outcome.ok, outcome.output
    replaced = {s.type for s in outcome.events.changes if s.op == "replace"}
    assert "libvirt:index/domain:Domain" in replaced
    assert "libvirt:index/volume:Volume" not in replaced, "its disks stay as they are"
    rest = others(outcome, "ampere-k8s-node2")
    assert [line for line in rest if not line.startswith(f"update {QUOTA} ")] == [], (
        "the namespaces' shares of the workers may grow"
    )


def test_a_row_of_traffic_changes_the_policies_at_its_ends_only(plan):
    row = {
        "name": "notebook-database",
        "source": "default/app=notebook",
        "target": "postgresql/app.kubernetes.io/managed-by=cloudnative-pg",
        "ports": [5432],
        "why": "Notebooks read tables.",
    }

    def change(config: Config) -> None:
        config["ampere:traffic"] = {"flows": [row]}

    assert {(step.op, step.name) for step in plan(change).events.changes} == {
        ("create", "default-notebook"),
        ("update", "postgresql-cloudnative-pg"),
    }


def test_a_change_of_one_worker_s_user_data_replaces_that_worker_and_touches_no_other(plan):
    outcome = plan(lambda config: worker(config, 2).update(address="10.10.10.22"))
    assert outcome.ok, outcome.output
    replaced = {s.type for s in outcome.events.changes if s.op == "replace"}
    assert {"libvirt:index/domain:Domain", "libvirt:index/volume:Volume"} <= replaced
    assert not any("data" in s.name and s.type.endswith("Volume") for s in outcome.events.changes)
    rest = [line for line in others(outcome, "ampere-k8s-node2") if FRONT not in line]
    assert rest == []


def test_a_worker_that_is_to_be_kept_stays_and_it_is_said(plan):
    def change(config: Config) -> None:
        config["ampere:workers"]["on_user_data_change"] = "keep"
        config["ampere:network"]["nameservers"] = ["9.9.9.9"]

    outcome = plan(change)
    assert outcome.ok, outcome.output
    assert "replace" not in ops(outcome.events.changes)
    assert "ampere-k8s-node1" in warnings(outcome)


def test_a_refused_change_of_user_data_stops_the_plan(home, plan):
    def refuse(config: Config) -> None:
        config["ampere:workers"]["on_user_data_change"] = "refuse"

    def change(config: Config) -> None:
        refuse(config)
        config["ampere:network"]["nameservers"] = ["9.9.9.9"]

    plan(refuse)
    assert home.stage.engine.up().changed == 0, "the policy is no change of any resource"
    outcome = plan(change)
    plan(lambda _config: None)
    assert home.stage.engine.up().changed == 0, "the tests after this one find no policy"
    assert not outcome.ok, "the plan has to stop"
    errors = "\n".join(outcome.errors)
    assert "marked for protection" in errors
    assert "ampere-k8s-node" in errors, "the first of them that the engine comes to"


def test_the_master_is_kept_when_user_data_changes_and_it_is_said(plan):
    def change(config: Config) -> None:
        config["ampere:network"]["nameservers"] = ["9.9.9.9"]

    outcome = plan(change)
    assert outcome.ok, outcome.output
    master = [s for s in outcome.events.changes if belongs_to("ampere-k8s-master", s)]
    assert not ops(master) & {"replace", "delete", "create"}, "etcd is there"
    assert "ampere-k8s-master" in warnings(outcome)


def test_another_kubernetes_version_replaces_nothing_and_names_the_setting(plan):
    outcome = plan(lambda config: config["ampere:versions"].update(kubernetes="1.36.4"))
    assert outcome.ok, outcome.output
    assert "replace" not in ops(outcome.events.changes)
    assert "delete" not in ops(outcome.events.changes)
    assert "versions.kubernetes" in warnings(outcome)
    for node in ("master", "node1", "node2", "node3"):
        assert f"ampere-k8s-{node}" in warnings(outcome), "each node is named"


def test_a_larger_master_is_refused_while_it_is_protected(plan):
    outcome = plan(lambda config: config["ampere:control_plane"].update(memory="8GiB"))
    assert not outcome.ok
    assert "ampere-k8s-master" in "\n".join(outcome.errors)


@pytest.mark.parametrize("size", ["70GiB", "160GiB"])
def test_a_data_volume_is_never_replaced(plan, size):
    outcome = plan(lambda config: worker(config, 1).update(data_disk=size))
    assert not outcome.ok, "a volume cannot change its size in place, so the plan has to stop"
    assert "ampere-k8s-node1" in "\n".join(outcome.errors)


def test_a_worker_less_is_refused_while_its_data_is_protected(plan):
    outcome = plan(lambda config: config["ampere:workers"]["machines"].pop())
    assert not outcome.ok
    errors = "\n".join(outcome.errors)
    assert "protected" in errors
    assert "ampere-k8s-node3" in errors


@contextmanager
def later(home: Any, span: timedelta) -> Generator[None]:
    home.stage.world.advance(span)
    yield
    home.stage.world.advance(-span)


def test_nothing_is_renewed_after_half_a_year(home):
    with later(home, timedelta(days=180)):
        assert home.stage.engine.preview().events.changes == ()


def test_the_administrator_s_certificate_is_renewed_before_it_expires(home):
    """A preview cannot know the new kubeconfig: only a run shows that no object moves."""
    with later(home, timedelta(days=345)):
        renewal = home.stage.engine.up()
        again = home.stage.engine.up().events.changes
    assert renewal.ok, renewal.output
    changes = renewal.events.changes
    moved = {(step.op, step.type) for step in changes if step.type in OURS}
    assert moved == set(), "a renewed certificate is no other cluster"
    replaced = {step.name for step in changes if step.op == "replace"}
    assert replaced == {"ampere-k8s-admin"}
    assert again == ()


def test_another_key_for_secrets_is_drawn_pushed_and_used_and_nothing_else(home):
    """The last one: keys never go back. A preview cannot know yet that another text is pushed."""
    key = {"ampere:hardening": {"encryption_key": 2}}
    home.stage.project.write(dict(read_stack_file(HOME)) | key)
    changes = home.stage.engine.up().events.changes
    again = home.stage.engine.up().events.changes
    assert {(step.op, step.name) for step in changes} == {
        ("create", "ampere-k8s-encryption-key-2"),
        ("update", "ampere-k8s-master-pki"),
        ("create", "ampere-k8s-master-secrets"),
    }
    assert again == ()
