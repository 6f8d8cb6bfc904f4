"""Which rule of which route a request meets, as Gateway API defines it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
HTTP_PORT, HTTPS_PORT = 80, 443


@dataclass(frozen=True)
class Request:
    """A request as it arrives; header names are compared in lower case, as HTTP says."""

    host: str
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    port: int = HTTPS_PORT

    def values(self, name: str) -> list[str]:
        """The values of each header called ``name``."""
        return [value for each, value in self.headers if each.lower() == name.lower()]


@dataclass(frozen=True)
class Met:
    """The rule that a request meets."""

    listener: Object
    route: Object
    rule: Object


@dataclass
class Edge:
    """The objects that are applied, by what asks for them."""

    objects: list[Object]
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Secrets' entries in clear, by namespace and name."""
    keys: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """What issuers publish, by address."""

    def of(self, kind: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind]

    @property
    def gateway(self) -> Object:
        (gateway,) = self.of("Gateway")
        return gateway


def listener_of(edge: Edge, request: Request) -> Object | None:
    """The listener with the request's port and, of those, its name; one without a name takes all.

    https://gateway-api.sigs.k8s.io/reference/spec/#listener
    """
    listeners = [one for one in edge.gateway["spec"]["listeners"] if one["port"] == request.port]
    exact = [one for one in listeners if one.get("hostname") == request.host]
    return next(iter([*exact, *(one for one in listeners if "hostname" not in one)]), None)


def meet(edge: Edge, request: Request) -> Met | None:
    """The first rule that matches, in the order of precedence; none: it is answered with 404.

    Precedence between matches: an exact path, then the longest prefix, then a match on the method,
    then the most headers, then the most query parameters; of equal ones the oldest route, the
    first by namespace and name, the first rule. Gateway API's HTTPRouteRule.matches:
    https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule. Envoy Gateway sorts by the
    same but for the method, which no rule here asks for
    (https://github.com/envoyproxy/gateway/blob/v1.9.0/internal/gatewayapi/sort.go).
    """
    listener = listener_of(edge, request)
    if listener is None:
        return None
    found = [
        (_precedence(match), order, Met(listener, route, rule))
        for order, (route, rule, match) in enumerate(_matches(edge, listener, request))
        if _fits(match, request)
    ]
    return min(found, key=lambda one: (one[0], one[1]), default=(None, None, None))[2]


def _matches(
    edge: Edge, listener: Object, request: Request
) -> Iterator[tuple[Object, Object, Object]]:
    """Every match of the routes at ``listener``, oldest route first: all here are of one age.

    Where a route names the host, only such routes are asked: to Envoy they are a virtual host of
    their own (https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost).
    """
    routes = sorted(
        (route for route in edge.of("HTTPRoute") if _is_attached(edge, route, listener)),
        key=lambda r: (r["metadata"]["namespace"], r["metadata"]["name"]),
    )
    named = [route for route in routes if request.host in route["spec"].get("hostnames", [])]
    for route in named or [route for route in routes if "hostnames" not in route["spec"]]:
        for rule in route["spec"]["rules"]:
            for match in rule.get("matches", [{"path": {"type": "PathPrefix", "value": "/"}}]):
                yield route, rule, match


def _is_attached(edge: Edge, route: Object, listener: Object) -> bool:
    """Whether the route names the listener, and the listener allows the route's namespace.

    https://gateway-api.sigs.k8s.io/reference/spec/#allowedroutes
    """
    gateway, home = edge.gateway["metadata"], route["metadata"]["namespace"]
    names = [
        parent.get("sectionName", listener["name"])
        for parent in route["spec"]["parentRefs"]
        if parent["name"] == gateway["name"]
        and parent.get("namespace", home) == gateway["namespace"]
    ]
    allowed = listener["allowedRoutes"]["namespaces"]
    if allowed["from"] == "Same":
        return listener["name"] in names and home == gateway["namespace"]
    assert allowed["from"] == "Selector", "no listener takes routes of every namespace"
    labels = {"kubernetes.io/metadata.name": home}
    return listener["name"] in names and allowed["selector"]["matchLabels"] == labels


def _precedence(match: Object) -> tuple[int, int, int, int, int]:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    return (
        0 if path["type"] == "Exact" else 1,
        -len(path["value"]),
        0 if "method" in match else 1,
        -len(match.get("headers", [])),
        -len(match.get("queryParams", [])),
    )


def _fits(match: Object, request: Request) -> bool:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    asked = request.path.partition("?")[0]
    if path["type"] == "Exact":
        fits = asked == path["value"]
    else:
        assert path["type"] == "PathPrefix", "no rule matches a path by an expression"
        prefix = path["value"].rstrip("/")
        fits = asked == prefix or asked.startswith(f"{prefix}/")
    return (
        fits
        and match.get("method", request.method) == request.method
        and all(_has(request, header) for header in match.get("headers", []))
    )


def _has(request: Request, header: Object) -> bool:
    """Whether the header is there and its values, joined by commas, match wholly.

    https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-headermatcher
    """
    values = request.values(header["name"])
    if not values:
        return False
    if header.get("type", "Exact") == "Exact":
        return ",".join(values) == header["value"]
    return re.fullmatch(header["value"], ",".join(values)) is not None
