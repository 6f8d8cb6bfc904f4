"""Routes at the gateway: rules, each with its own policy, or there is no route."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampere_infra.platform.manifests import ENVOY_GATEWAY, GATEWAY_API, Manifest, manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROUTE_API = f"{GATEWAY_API}/v1"
POLICY_API = f"{ENVOY_GATEWAY}/v1alpha1"


class OpenRouteError(ValueError):
    """A rule of a route that no policy, or more than one, is about."""


@dataclass(frozen=True)
class Listener:
    """Where at the gateway a route is attached."""

    gateway: str
    namespace: str
    name: str

    def reference(self) -> dict[str, str]:
        """Return it as a route's parent."""
        return {"name": self.gateway, "namespace": self.namespace, "sectionName": self.name}


@dataclass(frozen=True)
class Rule:
    """One named rule of a route, and the policy that is about it alone."""

    name: str
    policy: Mapping[str, Any]
    """What its SecurityPolicy says besides its target."""
    headers: tuple[Mapping[str, str], ...] = ()
    """The headers that a request must have; none: every request."""
    filters: tuple[Mapping[str, Any], ...] = ()
    backend: tuple[str, int] | None = None
    """A Service in the route's namespace, and its port; none: a filter answers."""


@dataclass(frozen=True)
class Route:
    """A route, and all that belongs to it."""

    name: str
    namespace: str
    listener: Listener
    rules: tuple[Rule, ...]
    hostnames: tuple[str, ...]
    traffic: Mapping[str, Any] | None = None
    """What its BackendTrafficPolicy says besides its target."""


PUBLIC: Mapping[str, Any] = {"authorization": {"defaultAction": "Allow"}}
"""The policy of a rule that is open to everybody on purpose."""
CLOSED: Mapping[str, Any] = {"authorization": {"defaultAction": "Deny"}}
"""The policy of listeners: it counts where a route brought none
(https://gateway.envoyproxy.io/v1.9/concepts/gateway_api_extensions/security-policy/#precedence)."""


def objects(route: Route) -> list[Manifest]:
    """Return the route, a policy for each rule, and its traffic policy.

    Raises:
        OpenRouteError: a rule is without a policy of its own.
    """
    found = [_route(route), *(_policy(route, rule) for rule in route.rules)]
    if route.traffic is not None:
        target = {"targetRefs": [_target(route)], **route.traffic}
        found.append(
            manifest(POLICY_API, "BackendTrafficPolicy", route.name, target, route.namespace)
        )
    refuse_open(found)
    return found


def refuse_open(manifests: Iterable[Manifest]) -> None:
    """Judge every route among ``manifests``.

    Raises:
        OpenRouteError: it names each rule that no SecurityPolicy, or more than one, targets by its
            name; what the gateway does with two depends on their age.
    """
    all_of_them = list(manifests)
    policies = Counter(
        (item["metadata"]["namespace"], target["name"], target.get("sectionName"))
        for item in all_of_them
        if item["kind"] == "SecurityPolicy"
        for target in item["spec"]["targetRefs"]
        if target["kind"] == "HTTPRoute"
    )
    wrong = [
        f"{where[0]}/{where[1]}, rule {where[2] or f'number {number} without a name'}: "
        f"{policies[where] if where[2] else 0} policies"
        for where, number in _rules(all_of_them)
        if where[2] is None or policies[where] != 1
    ]
    if wrong:
        raise OpenRouteError(
            f"HTTPRoute {'; '.join(wrong)}: give each rule a name and exactly one SecurityPolicy "
            "(ampere_infra.platform.routes.Rule), PUBLIC if everybody may come in"
        )


def _rules(manifests: Iterable[Manifest]) -> Iterator[tuple[tuple[str, str, str | None], int]]:
    for item in manifests:
        if item["kind"] == "HTTPRoute":
            metadata = item["metadata"]
            for number, rule in enumerate(item["spec"]["rules"], start=1):
                yield (metadata["namespace"], metadata["name"], rule.get("name")), number


def _route(route: Route) -> Manifest:
    spec = {
        "parentRefs": [route.listener.reference()],
        "hostnames": list(route.hostnames),
        "rules": [_rule(rule) for rule in route.rules],
    }
    return manifest(ROUTE_API, "HTTPRoute", route.name, spec, route.namespace)


def _rule(rule: Rule) -> dict[str, Any]:
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    if rule.headers:
        match["headers"] = [dict(header) for header in rule.headers]
    content: dict[str, Any] = {"name": rule.name, "matches": [match]}
    if rule.filters:
        content["filters"] = [dict(each) for each in rule.filters]
    if rule.backend:
        content["backendRefs"] = [{"name": rule.backend[0], "port": rule.backend[1]}]
    return content


def _policy(route: Route, rule: Rule) -> Manifest:
    target = {**_target(route), "sectionName": rule.name}
    spec = {"targetRefs": [target], **rule.policy}
    return manifest(
        POLICY_API, "SecurityPolicy", f"{route.name}-{rule.name}", spec, route.namespace
    )


def _target(route: Route) -> dict[str, str]:
    return {"group": GATEWAY_API, "kind": "HTTPRoute", "name": route.name}
