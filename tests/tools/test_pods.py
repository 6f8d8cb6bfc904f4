"""Every pod that we ask for: what it may do with the API, and whether its quota holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rendered_charts import CASES, OURS, pods, rendered, requests, size, thousandths, values_of

from ampere_infra.settings.quotas import HOME

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS_TOKEN = {"local-path-provisioner": "it watches claims and makes volumes"}
"""The pods of our charts that speak to the API server, by their object, and what for."""
NAMESPACES = {"dbt": "airflow", "local-path": "local-path-storage"}
TASKS = 1
"""Pods of Airflow's tasks that run while it is upgraded."""


@pytest.mark.parametrize("chart", CASES)
def test_no_pod_of_our_charts_has_a_token_that_it_does_not_use(tool, chart):
    for name, pod in pods(rendered(tool, chart)):
        if name in NEEDS_TOKEN:
            assert pod.get("serviceAccountName") not in (None, "default"), "a login of its own"
        else:
            assert pod.get("automountServiceAccountToken") is False, name


def test_each_pod_that_has_a_token_is_there(tool):
    names = {name for chart in OURS for name, _ in pods(rendered(tool, chart))}
    assert names >= NEEDS_TOKEN.keys(), "the list is not longer than it has to be"


AIRFLOW_WITHOUT = ("dagProcessor", "migrateDatabaseJob", "createUserJob")
"""The parts of Airflow that never ask the API server."""


@pytest.mark.parametrize("part", AIRFLOW_WITHOUT)
def test_a_part_of_airflow_that_never_asks_the_api_server_has_no_token(part):
    account = values_of("airflow")[part]["serviceAccount"]
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("chart", OURS)
def test_the_quota_holds_what_the_pods_of_our_charts_ask_for(tool, chart):
    share = HOME[NAMESPACES.get(chart) or str(chart)]
    found = [
        container["resources"]["requests"]
        for _, pod in pods(rendered(tool, chart))
        for container in pod["containers"]
    ]
    values = values_of(chart)
    if chart == "postgresql":
        (instance,) = _of_instances(tool)
        # The operator makes another instance's pod beside them when one is replaced.
        found += [instance] * (int(values["instances"]) + 1)
    assert sum(thousandths(one["cpu"]) for one in found) <= share.cpu
    assert sum(size(one["memory"]) for one in found) <= share.memory


def _of_instances(tool: Any) -> Iterator[dict[str, str]]:
    for item in rendered(tool, "postgresql"):
        if item["kind"] == "Cluster":
            yield item["spec"]["resources"]["requests"]


def test_the_quota_holds_the_operator():
    share = HOME["cnpg-system"]
    ((_, asked),) = requests(values_of("cloudnative-pg"))
    # An upgrade starts the new pod before the old one goes.
    assert 2 * thousandths(asked["cpu"]) <= share.cpu
    assert 2 * size(asked["memory"]) <= share.memory


def test_the_quota_holds_airflow_in_the_middle_of_an_upgrade():
    share = HOME["airflow"]
    cpu = memory = 0
    for path, asked in requests(values_of("airflow")):
        times = 1 if path[0].endswith("Job") else TASKS if path[0] == "workers" else 2
        cpu += times * thousandths(asked["cpu"])
        memory += times * size(asked["memory"])
    assert cpu <= share.cpu
    assert memory <= share.memory
