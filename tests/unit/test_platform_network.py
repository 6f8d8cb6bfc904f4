from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import edge_cluster
import home_cluster
import pulumi
import pulumi.runtime
import pytest
from home_cluster import BACKUP, NAMESPACE, POLICY, ROOT, settings, target

from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.target import Target
from ampere_infra.platform.traffic import Outside, Pods, policies
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings import flows, public_flows
from ampere_infra.settings.flows import ANYWHERE, PRODUCT
from ampere_infra.settings.namespaces import HOME, PUBLIC
from ampere_infra.settings.traffic import FRONT, Flow, pod_set

if TYPE_CHECKING:
    from types import ModuleType

TABLE = target(settings()).traffic
BUILT_IN = ("default", "kube-node-lease", "kube-public")


@dataclass(frozen=True)
class Case:
    """One cluster, and where it is recorded, declared and shown."""

    cluster: ModuleType
    namespaces: tuple[str, ...]
    flows: ModuleType
    page: str

    def of(self, type_: str) -> dict[str, Any]:
        return self.cluster.recorded().of(type_)


CLUSTERS = {
    "home": Case(home_cluster, HOME, flows, "services.md"),
    "api": Case(edge_cluster, PUBLIC, public_flows, "edge.md"),
}
each_cluster = pytest.mark.parametrize("case", CLUSTERS.values(), ids=CLUSTERS)
each_namespace = pytest.mark.parametrize(
    ("case", "namespace"),
    [(case, namespace) for case in CLUSTERS.values() for namespace in case.namespaces],
    ids=[f"{name}-{ns}" for name, case in CLUSTERS.items() for ns in case.namespaces],
)
each_closed_namespace = pytest.mark.parametrize(
    ("case", "namespace"),
    [(case, name) for case in CLUSTERS.values() for name in (*case.namespaces, *BUILT_IN)],
    ids=[f"{n}-{ns}" for n, case in CLUSTERS.items() for ns in (*case.namespaces, *BUILT_IN)],
)
ADDRESSES = Addresses(
    front=IPv4Network("192.168.1.29"),
    api=IPv4Network("192.168.1.50"),
    nodes=IPv4Network("192.168.1.0/24"),
    pods=IPv4Network("10.1.0.0/16"),
)
Row = tuple[str, str, tuple[tuple[int, str], ...]]
OF_A_SETTING = {row.name for row in flows.OPTIONAL}
"""The rows to anywhere whose ports are said elsewhere."""


def spelled(end: Pods | Outside, own: str) -> str:
    """One end of a flow as text, seen from a policy in the namespace ``own``."""
    if isinstance(end, Outside):
        return " ".join(sorted(str(network) for network in end.networks))
    labels = ",".join(f"{key}={value}" for key, value in sorted(end.labels))
    return f"{end.namespace or own}/{labels}"


def expected(case: Case) -> set[Row]:
    rows: set[Row] = set()
    for flow in case.cluster.target(case.cluster.settings()).traffic:
        ports = tuple((port.number, port.protocol) for port in flow.ports)
        for namespace in (*case.namespaces, *BUILT_IN):
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


def rendered(case: Case) -> set[Row]:
    rows: set[Row] = set()
    for policy in case.of(POLICY).values():
        own = selected(policy["metadata"]["namespace"], policy["spec"]["podSelector"])
        for direction, verb, end in (("egress", "sends", "to"), ("ingress", "takes", "from")):
            for rule in policy["spec"].get(direction, []):
                ports = tuple((int(port["port"]), port["protocol"]) for port in rule["ports"])
                rows.add((f"{own} {verb}", peer(rule[end]), ports))
    return rows


@each_cluster
def test_the_policies_say_what_the_table_says_and_nothing_more(case: Case):
    assert rendered(case) == expected(case)


@each_closed_namespace
def test_a_namespace_lets_nothing_in_or_out_by_default(case: Case, namespace: str):
    policy = case.of(POLICY)[f"{namespace}-default"]
    assert policy["spec"]["podSelector"] == {}, "it is about all pods"
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"], "nobody may reach every pod"


@each_cluster
def test_each_row_says_why(case: Case):
    rows = (*case.flows.PRODUCT, *case.flows.OPTIONAL)
    assert all(row.why.endswith(".") for row in rows)
    assert len({row.name for row in rows}) == len(rows), "a name is one row"


@each_cluster
def test_each_row_is_about_namespaces_of_its_cluster(case: Case):
    named = {
        pods.namespace
        for row in (*case.flows.PRODUCT, *case.flows.OPTIONAL)
        for pods in (pod_set(row.source), pod_set(row.target))
        if pods
    }
    assert named - {None, "kube-system"} == set(case.namespaces)


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
        "postgresql/app.kubernetes.io/managed-by=cloudnative-pg",
    }


def test_the_table_follows_the_addresses():
    text = repr(traffic(PRODUCT, ADDRESSES))
    assert "192.168.1.29" in text
    assert "10.10.10" not in text, "no address is built in"


@each_namespace
def test_pod_security_is_restricted_but_where_a_reason_stands(case: Case, namespace: str):
    metadata = case.of(NAMESPACE)[namespace]["metadata"]
    level = metadata["labels"]["pod-security.kubernetes.io/enforce"]
    if namespace == "local-path-storage":
        assert level == "privileged"
        assert "hostPath" in metadata["annotations"]["ampere/pod-security"]
    else:
        assert level == "restricted"


def test_a_namespace_that_is_not_restricted_without_a_reason_is_refused():
    pulumi.runtime.set_mocks(home_cluster.Recorder())
    with pytest.raises(ValueError, match="say why it is not restricted"):
        Namespace("x", NamespaceArgs("x", Target((), 10), pod_security="privileged"))


@each_cluster
def test_who_names_no_service_account_gets_no_token(case: Case):
    accounts = case.of("kubernetes:core/v1:ServiceAccount")
    for namespace in (*case.namespaces, *BUILT_IN, "kube-system"):
        account = accounts[f"{namespace}-default"]
        assert account["metadata"] == {"name": "default", "namespace": namespace}
        assert account["automountServiceAccountToken"] is False


@each_namespace
def test_each_namespace_has_a_quota_and_what_a_container_gets_that_says_nothing(
    case: Case, namespace: str
):
    quota = case.of("kubernetes:core/v1:ResourceQuota")[f"{namespace}-quota"]
    assert quota["spec"]["hard"].keys() == {"pods", "requests.cpu", "requests.memory"}
    limits = case.of("kubernetes:core/v1:LimitRange")[f"{namespace}-limits"]
    (container,) = limits["spec"]["limits"]
    assert container["type"] == "Container"
    assert container["defaultRequest"].keys() == {"cpu", "memory"}, "what the quota counts"
    assert container["default"].keys() == {"memory"}


def test_a_row_of_the_settings_becomes_policies_at_both_ends():
    row = Flow(
        name="notebooks",
        source="default/app=notebook",
        target="postgresql/cnpg.io/cluster=postgresql",
        ports=(5432,),
        why="Notebooks read tables.",
    )
    table = traffic((*PRODUCT, row), ADDRESSES)
    (sends,) = [policy for policy in policies(table, "default") if policy.name == "notebook"]
    (takes,) = [policy for policy in policies(table, "postgresql") if policy.name == "postgresql"]
    assert sends.flows == ("notebooks",)
    assert "notebooks" in takes.flows, "beside the product's own rows"
    assert policies(traffic(PRODUCT, ADDRESSES), "default")[0].flows == ("dns", "dns-long")


def test_a_row_may_be_about_addresses():
    row = Flow(
        name="mail", source="airflow", target="192.168.1.0/24", ports=(25,), why="Airflow mails."
    )
    (flow,) = traffic([row], ADDRESSES)
    assert flow.target == Outside((IPv4Network("192.168.1.0/24"),))
    assert flow.source == Pods("airflow", (), "default"), "all pods of the namespace"


def test_a_row_about_the_front_of_a_cluster_without_one_opens_nothing():
    addresses = Addresses(*(IPv4Network("192.168.1.0/24") for _ in range(3)))
    row = Flow(name="x", source=FRONT, target="api", ports=(80,), why="Nobody.")
    with pytest.raises(ValueError, match=FRONT):
        traffic([row], addresses)


def shown_ports(row: Flow) -> str:
    if row.target == ANYWHERE and row.name in OF_A_SETTING:
        return "its port"
    return ", ".join(f"{port}/UDP" if row.protocol == "UDP" else str(port) for port in row.ports)


@each_cluster
def test_the_table_in_the_documentation_is_the_products_own(case: Case):
    text = (ROOT / "docs" / case.page).read_text(encoding="utf-8")
    section = text.partition("## Who may talk to whom")[2].partition("\n## ")[0]
    shown = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    found = [tuple(cell.strip().strip("`") for cell in row) for row in shown[2:]]
    assert found == [
        (row.name, row.source, row.target, shown_ports(row), row.why)
        for row in (*case.flows.PRODUCT, *case.flows.OPTIONAL)
    ]


def test_only_what_is_copied_leaves_the_cluster_and_by_the_targets_port_only():
    table = target(settings(backup=BACKUP)).traffic
    leaving = {
        spelled(flow.source, ""): [port.number for port in flow.ports]
        for flow in table
        if isinstance(flow.target, Outside) and IPv4Network("0.0.0.0/0") in flow.target.networks
    }
    assert leaving == {
        "minio/app.kubernetes.io/component=backup": [8443],
        "postgresql/app.kubernetes.io/managed-by=cloudnative-pg": [8443],
    }
    assert not any(
        isinstance(flow.target, Outside) and IPv4Network("0.0.0.0/0") in flow.target.networks
        for flow in TABLE
    ), "without a target nothing leaves"
