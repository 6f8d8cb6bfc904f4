"""What each namespace may take: shares of the workers, or what is written."""

from __future__ import annotations

from typing import Any

import pytest
from settings_cases import PROJECT, real

from ampere_infra.platform.quantity import processors, quantity
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.quotas import HOME, allowance, allowances
from ampere_infra.settings.types import GIB, Cpu, Size


def home(**quotas):
    return parse("home", real() | {"ampere:quotas": quotas})


def test_by_default_the_public_clusters_quotas_fit_the_server_beside_its_control_plane():
    settings = parse("api", read_stack_file(PROJECT / "Pulumi.api.yaml"))
    cpu, memory = settings.for_pods
    given = allowances(settings).values()
    assert sum(one.cpu for one in given) <= cpu == Cpu(2850), "a cx33 has four vCPU"
    assert sum(one.memory for one in given) <= memory == Size(6 * GIB)


def test_the_public_clusters_quotas_hold_its_pods_on_the_smallest_server():
    config: dict[str, Any] = read_stack_file(PROJECT / "Pulumi.api.yaml")
    config["ampere:server"] |= {"type": "cx23"}
    config["ampere:api"] |= {"replicas": 6}
    settings = parse("api", config)
    for namespace, share in settings.shares.items():
        given = allowance(settings, namespace)
        assert (given.cpu >= share.cpu, given.memory >= share.memory) == (True, True)
    assert allowance(settings, "api").cpu == 7 * 50, "and one more while they are replaced"


def test_by_default_all_quotas_together_fit_the_workers():
    settings = home()
    cpu, memory = settings.for_pods
    given = allowances(settings).values()
    assert sum(one.cpu for one in given) <= cpu
    assert sum(one.memory for one in given) <= memory
    assert cpu < 1000 * sum(machine.vcpu for machine in settings.workers.machines)


@pytest.mark.parametrize("namespace", HOME)
def test_by_default_each_quota_holds_the_products_own_pods(namespace):
    given, share = allowance(home(), namespace), HOME[namespace]
    assert given.cpu >= share.cpu, "on the machines of the real settings"
    assert given.memory >= share.memory


def test_another_worker_is_room_for_all():
    config = real()
    fourth = {"name": "ampere-k8s-node4", "address": "10.10.10.14"}
    machines = config["ampere:workers"]["machines"]
    machines.append(machines[0] | fourth)
    more = parse("home", config)
    for namespace in HOME:
        assert allowance(more, namespace).cpu > allowance(home(), namespace).cpu


def test_what_is_written_counts():
    settings = home(minio={"cpu": "750m", "memory": "2GiB", "pods": 7})
    given = allowance(settings, "minio")
    assert (given.cpu, given.memory, given.pods) == (Cpu(750), Size(2 * GIB), 7)


def test_the_smallest_machines_still_get_something():
    config = real()
    for machine in config["ampere:workers"]["machines"]:
        machine |= {"vcpu": 1, "memory": "1GiB"}
    config["ampere:services"]["dbt"] = {"memory": "256MiB"}
    config["ampere:services"]["airflow"]["executor"] = "KubernetesExecutor"
    for namespace in HOME:
        given = allowance(parse("home", config), namespace)
        assert min(given.cpu, given.memory) > 0


@pytest.mark.parametrize(("given", "shown"), [(500, "500m"), (2000, "2"), (2550, "2550m")])
def test_processors_are_written_as_the_api_server_writes_them_back(given, shown):
    assert processors(given) == shown, "or each refresh would show a difference"
    assert processors(Cpu(given)) == shown, "and a setting has a unit of its own"
    assert quantity(1536 * 1024**2) == "1536Mi"
