from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from home_cluster import recorded, settings

from ampere_infra.bootstrap.spec import LOCAL_PATH
from ampere_infra.platform.cilium import CiliumArgs, values
from ampere_infra.platform.quantity import quantity
from ampere_infra.platform.target import Target

CILIUM = values(CiliumArgs(Target((), 900), "1.20.2", "10.10.10.10", IPv4Network("10.244.0.0/16")))


def test_cilium_stands_in_for_kube_proxy_and_knows_the_api_by_its_address():
    assert CILIUM["kubeProxyReplacement"] is True
    assert (CILIUM["k8sServiceHost"], CILIUM["k8sServicePort"]) == ("10.10.10.10", 6443)


def test_cilium_gives_pods_the_addresses_of_the_settings():
    assert CILIUM["ipam"]["operator"]["clusterPoolIPv4PodCIDRList"] == ["10.244.0.0/16"]


def test_cilium_lets_policies_name_nodes_by_address():
    assert CILIUM["policyCIDRMatchMode"] == ["nodes"], "the API server is a node"


def test_cilium_runs_one_operator():
    assert CILIUM["operator"]["replicas"] == 1, "two never fit on one node"


def test_volumes_lie_on_the_data_disk():
    assert recorded().release("local-path")["values"]["path"] == LOCAL_PATH


def test_storage_images_are_pinned_by_digest():
    images = settings().images
    assert "@sha256:" in images.local_path_provisioner
    assert "@sha256:" in images.local_path_helper


@pytest.mark.parametrize(
    ("size", "text"), [(1024**4, "1Ti"), (50 * 1024**3, "50Gi"), (1536 * 1024**2, "1536Mi")]
)
def test_a_size_is_written_in_its_largest_whole_unit(size: int, text: str):
    assert quantity(size) == text
