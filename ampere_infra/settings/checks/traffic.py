"""Checks of the rows that say who may talk to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import repeated, wrong
from ampere_infra.settings.namespaces import BUILT_IN, KUBE_SYSTEM
from ampere_infra.settings.traffic import FRONT, PodSet, pod_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.checks.common import ClusterSettings
    from ampere_infra.settings.mistakes import Location, Mistake


def closed(s: ClusterSettings) -> set[str]:
    """Return the namespaces that have policies."""
    return {*s.namespaces, *BUILT_IN} - {KUBE_SYSTEM}


def _ends(s: ClusterSettings) -> Iterator[tuple[Location, str, PodSet | None]]:
    """Yield each end of each row with its place and the pods that it names, as far as it parsed."""
    for index, flow in enumerate(s.traffic.flows):
        for key in ("source", "target"):
            if end := getattr(flow, key, None):
                yield ("traffic", "flows", index, key), end, pod_set(end)


def flow_names_differ(s: ClusterSettings) -> Iterator[Mistake]:
    """A name is one row."""
    product = {flow.name for flow in s.known_flows}
    named = [
        (("traffic", "flows", index, "name"), flow.name)
        for index, flow in enumerate(s.traffic.flows)
        if hasattr(flow, "name")
    ]
    yield from repeated(named)
    for location, name in named:
        if name in product:
            yield wrong(name, "is a row of the product's own; choose another name", *location)


def flow_namespaces_are_known(s: ClusterSettings) -> Iterator[Mistake]:
    """Each row is about namespaces that there are."""
    known = [*s.namespaces, *BUILT_IN]
    for location, end, pods in _ends(s):
        if pods and pods.namespace and pods.namespace not in known:
            remedy = f"names no namespace of the cluster; there are {', '.join(known)}"
            yield wrong(end, remedy, *location)


def flows_open_something(s: ClusterSettings) -> Iterator[Mistake]:
    """Each row opens what is closed."""
    policed = closed(s)
    for index, flow in enumerate(s.traffic.flows):
        ends = (pod_set(flow.source), pod_set(flow.target))
        if not any(end and (end.namespace is None or end.namespace in policed) for end in ends):
            remedy = (
                "opens nothing: neither end is in a namespace that has policies; remove the row"
            )
            yield wrong(flow.name, remedy, "traffic", "flows", index)


def flow_ports_differ(s: ClusterSettings) -> Iterator[Mistake]:
    """A port is listed once."""
    for index, flow in enumerate(s.traffic.flows):
        places = enumerate(flow.ports)
        yield from repeated(
            (("traffic", "flows", index, "ports", place), port) for place, port in places
        )


def pods_are_told_apart(s: ClusterSettings) -> Iterator[Mistake]:
    """Two sets of pods with other labels do not lead to a policy of one name."""
    first: dict[tuple[str | None, str], PodSet] = {}
    for flow in s.known_flows:
        for pods in (pod_set(flow.source), pod_set(flow.target)):
            if pods:
                first.setdefault((pods.namespace, pods.name), pods)
    for location, end, pods in _ends(s):
        if pods and first.setdefault((pods.namespace, pods.name), pods).labels != pods.labels:
            labels = first[pods.namespace, pods.name].labels
            meant = ",".join(f"{key}={value}" for key, value in labels) or "all pods"
            remedy = f"leads to the same policy as {meant}; choose another label"
            yield wrong(end, remedy, *location)


def no_front_is_named(s: ApiSettings) -> Iterator[Mistake]:
    """Only home has a host in front of it."""
    for location, end, _ in _ends(s):
        if end == FRONT:
            remedy = "is the host in front of home; here the gateway's Envoy stands there: name it"
            yield wrong(end, remedy, *location)


CHECKS = (
    flow_names_differ,
    flow_namespaces_are_known,
    flows_open_something,
    flow_ports_differ,
    pods_are_told_apart,
)
