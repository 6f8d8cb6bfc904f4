from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from home_cluster import NAMESPACE, POLICY, recorded, settings, target

from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.target import Target
from ampere_infra.platform.traffic import Outside, Pods
from ampere_infra.services.traffic import Addresses, home_traffic

TABLE = target(settings()).traffic
NAMESPACES = ["airflow", "cnpg-system", "local-path-storage", "minio", "postgresql"]
Row = tuple[str, str, tuple[tuple[int, str], ...]]


def spelled(end: Pods | Outside, own: str) -> str:
    """One end of a flow as text, seen from a policy in the namespace ``own``."""
    if isinstance(end, Outside):
        return " ".join(sorted(str(network) for network in end.networks))
    labels = ",".join(f"{key}={value}" for key, value in sorted(end.labels))
    return f"{end.namespace or own}/{labels}"


def expected() -> set[Row]:
    rows: set[Row] = set()
    for flow in TABLE:
        ports = tuple((port.number, port.protocol) for port in flow.ports)
        for namespace in NAMESPACES:
            source, goal = spelled(flow.source, namespace), spelled(flow.target, namespace)
            if isinstance(flow.source, Pods) and flow.source.within(namespace):
                rows.add((f"{source} sends", goal, ports))
            if isinstance(flow.target, Pods) and flow.target.within(namespace):
                rows.add((f"{goal} takes", source, ports))
    return rows


def selected(namespace: str, selector: dict[str, Any]) -> str:
    labels = sorted(selector.get("matchLabels", {}).items())
    return f"{namespace}/" + ",".join(f"{key}={value}" for key, value in labels)


def peer(rule: list[dict[str, Any]]) -> str:
    blocks = sorted(item["ipBlock"]["cidr"] for item in rule if "ipBlock" in item)
    if blocks:
        return " ".join(blocks)
    (item,) = rule
    home = item["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    return selected(home, item["podSelector"])


def rendered() -> set[Row]:
    rows: set[Row] = set()
    for policy in recorded().of(POLICY).values():
        own = selected(policy["metadata"]["namespace"], policy["spec"]["podSelector"])
        for direction, verb, end in (("egress", "sends", "to"), ("ingress", "takes", "from")):
            for rule in policy["spec"].get(direction, []):
                ports = tuple((int(port["port"]), port["protocol"]) for port in rule["ports"])
                rows.add((f"{own} {verb}", peer(rule[end]), ports))
    return rows


def test_the_policies_say_what_the_table_says_and_nothing_more():
    assert rendered() == expected()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_lets_nothing_in_or_out_by_default(namespace: str):
    policy = recorded().of(POLICY)[f"{namespace}-default"]
    assert policy["spec"]["podSelector"] == {}, "it is about all pods"
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"], "nobody may reach every pod"


def test_each_row_says_why():
    assert all(flow.why.endswith(".") for flow in TABLE)
    assert len({flow.name for flow in TABLE}) == len(TABLE), "a name is one row"


def test_only_the_front_reaches_a_node_port():
    sources = {
        str(network)
        for flow in TABLE
        if flow.name.startswith("front-") and isinstance(flow.source, Outside)
        for network in flow.source.networks
    }
    assert sources == {"10.10.10.1/32"}, "behind NAT the host is the nodes' gateway"


def test_the_database_is_reached_by_those_who_need_it():
    sources = {
        spelled(flow.source, "")
        for flow in TABLE
        if isinstance(flow.target, Pods) and flow.target.namespace == "postgresql"
    }
    assert sources == {
        "airflow/tier=airflow",
        "cnpg-system/app.kubernetes.io/name=cloudnative-pg",
        "postgresql/app.kubernetes.io/component=readiness",
        "postgresql/cnpg.io/cluster=postgresql",
    }


def test_the_table_follows_the_addresses():
    addresses = Addresses(
        front=IPv4Address("192.168.1.29"),
        api=IPv4Address("192.168.1.50"),
        nodes=IPv4Network("192.168.1.0/24"),
        pods=IPv4Network("10.1.0.0/16"),
    )
    text = repr(home_traffic(addresses))
    assert "192.168.1.29" in text
    assert "10.10.10" not in text, "no address is built in"


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_pod_security_is_restricted_but_where_a_reason_stands(namespace: str):
    metadata = recorded().of(NAMESPACE)[namespace]["metadata"]
    level = metadata["labels"]["pod-security.kubernetes.io/enforce"]
    if namespace == "local-path-storage":
        assert level == "privileged"
        assert "hostPath" in metadata["annotations"]["ampere/pod-security"]
    else:
        assert level == "restricted"


def test_a_namespace_that_is_not_restricted_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="say why it is not restricted"):
        Namespace("x", NamespaceArgs("x", Target((), 10), pod_security="privileged"))
