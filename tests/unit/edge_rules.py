"""What the gateway does with a request: its policies, as Envoy Gateway and Envoy apply them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from edge_matching import Edge, Met, Object, Request, listener_of, meet
from edge_tokens import verify


@dataclass
class Answer:
    """What the client gets, and what the workload was sent, if it was asked."""

    status: int
    backend: str | None = None
    sent: dict[str, str] = field(default_factory=dict)
    """The headers that reach the workload."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the answer that the gateway adds."""
    policy: str | None = None
    """The SecurityPolicy that judged."""


class RefusedError(Exception):
    """The gateway itself answers."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def answer(edge: Edge, request: Request) -> Answer:
    """Walk ``request`` through the rendered rules.

    The order is Envoy's: headers are cleaned before routing (early header mutation), then come the
    filters of the route, then the route's own action and its changes of headers
    (https://www.envoyproxy.io/docs/envoy/latest/intro/life_of_a_request). Whatever the gateway
    answers by itself goes through the route's response override, and every answer through the
    listener's late headers.
    """
    listener = listener_of(edge, request)
    if listener is None:
        return Answer(404)
    gateway = edge.gateway["metadata"]
    target = ("Gateway", gateway["name"], listener["name"])
    client = _attached(edge, "ClientTrafficPolicy", target, gateway["namespace"])
    changes = client["spec"]["headers"] if client else {}
    late = changes.get("lateResponseHeaders", {}).get("set", [])
    found = (
        _routed(edge, _cleaned(request, changes)) if _is_clean(request, changes) else Answer(400)
    )
    found.headers |= {each["name"]: each["value"] for each in late}
    return found


def _is_clean(request: Request, changes: Object) -> bool:
    """Whether no header has an underscore where that is refused, with 400.

    https://gateway.envoyproxy.io/v1.9/api/extension_types/#withunderscoresaction: refusing is the
    default.
    """
    refuses = changes.get("withUnderscoresAction", "RejectRequest") == "RejectRequest"
    return not (refuses and any("_" in name for name, _ in request.headers))


def _cleaned(request: Request, changes: Object) -> Request:
    """The request without the headers that are removed before routing.

    https://gateway.envoyproxy.io/v1.9/tasks/traffic/http-request-headers/#early-header-modification
    """
    gone = {name.lower() for name in changes.get("earlyRequestHeaders", {}).get("remove", [])}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in gone)
    return Request(request.host, request.path, kept, request.method, request.port)


def _routed(edge: Edge, request: Request) -> Answer:
    met = meet(edge, request)
    if met is None:
        return Answer(404)
    policy = policy_of(edge, met)
    name = policy["metadata"]["name"] if policy else None
    try:
        headers = {key.lower(): value for key, value in request.headers}
        if policy is not None:
            _judge(edge, policy, request, headers)
        found = _acted(met, headers)
    except RefusedError as refused:
        found = Answer(_overridden(edge, met, refused.status))
    found.policy = name
    return found


def policy_of(edge: Edge, met: Met) -> Object | None:
    """The one SecurityPolicy that counts: of the rule, else the route, the listener, the gateway.

    A more specific one takes the place of the others whole, where it does not say ``mergeType``
    (https://gateway.envoyproxy.io/v1.9/concepts/gateway_api_extensions/security-policy/#precedence).
    A policy is about objects of its own namespace only (the same page, Targets).
    """
    home, route = met.route["metadata"]["namespace"], met.route["metadata"]["name"]
    gateway = edge.gateway["metadata"]
    levels = [
        (home, ("HTTPRoute", route, met.rule.get("name"))),
        (home, ("HTTPRoute", route, None)),
        (gateway["namespace"], ("Gateway", gateway["name"], met.listener["name"])),
        (gateway["namespace"], ("Gateway", gateway["name"], None)),
    ]
    found = [_attached(edge, "SecurityPolicy", target, where) for where, target in levels]
    policy = next((each for each in found if each is not None), None)
    assert policy is None or "mergeType" not in policy["spec"], "nothing is merged here"
    return policy


def _judge(edge: Edge, policy: Object, request: Request, headers: dict[str, str]) -> None:
    """Let the policy's filters judge, in Envoy Gateway's order: API key, JWT, authorization.

    https://github.com/envoyproxy/gateway/blob/v1.9.0/internal/xds/translator/httpfilters.go
    """
    spec = policy["spec"]
    known = {"targetRefs", "apiKeyAuth", "jwt", "authorization"}
    assert not spec.keys() - known, f"there is no telling what {spec.keys() - known} does"
    if "apiKeyAuth" in spec:
        _ask_for_key(edge, policy, request, headers)
    if "jwt" in spec:
        _ask_for_token(edge, spec["jwt"], request, headers)
    if "authorization" in spec and not _is_authorized(spec["authorization"], headers):
        raise RefusedError(403)


def _ask_for_key(edge: Edge, policy: Object, request: Request, headers: dict[str, str]) -> None:
    """Look up the first value of the first header that has one; ``Bearer `` before it is cut off.

    No key and an unknown one are 401. The client's name takes the place of whatever the header had
    (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/api_key_auth_filter,
    api_key_auth.cc).
    """
    spec = policy["spec"]["apiKeyAuth"]
    home = policy["metadata"]["namespace"]
    clients = {
        given: client
        for reference in spec["credentialRefs"]
        for client, given in edge.secrets[
            reference.get("namespace", home), reference["name"]
        ].items()
    }
    sources = [name for source in spec["extractFrom"] for name in source["headers"]]
    firsts = [value for name in sources for value in request.values(name)[:1]]
    given = next((value.removeprefix("Bearer ") for value in firsts if value), "")
    if given not in clients:
        raise RefusedError(401)
    headers[spec["forwardClientIDHeader"].lower()] = clients[given]
    if spec.get("sanitize"):
        for name in sources:
            headers.pop(name.lower(), None)


def _ask_for_token(edge: Edge, spec: Object, request: Request, headers: dict[str, str]) -> None:
    """Let one provider find only good tokens where it looks for them.

    Several tokens must all be good (authenticator.cc, doneWithStatus), and without any it is 401.
    A provider's headers for claims are emptied first (extractor.cc), then filled from claims that
    are text, numbers or truth values. The token itself is forwarded: Envoy Gateway says so
    (https://github.com/envoyproxy/gateway/blob/v1.9.0/internal/xds/translator/jwt.go).
    """
    assert not spec.keys() - {"providers"}, "neither optional nor failOpen"
    statuses = [401]
    for provider in spec["providers"]:
        for mapping in provider["claimToHeaders"]:
            headers.pop(mapping["header"].lower(), None)
        keys = edge.keys[provider["remoteJWKS"]["uri"]]
        verdicts = [verify(token, provider, keys) for token in _tokens(provider, request)]
        wrong = [verdict.status for verdict in verdicts if verdict.status != 200]
        if verdicts and not wrong:
            for mapping in provider["claimToHeaders"]:
                value = verdicts[-1].claims.get(mapping["claim"])
                if isinstance(value, str | int | float) and str(value):
                    headers[mapping["header"].lower()] = str(value)
            return
        statuses += wrong
    raise RefusedError(max(statuses))


def _tokens(provider: Object, request: Request) -> list[str]:
    """What stands behind the prefix, which is looked for as it is written, case and all."""
    sources = provider.get("extractFrom")
    assert sources is not None, "else Envoy looks into the address too"
    assert not sources.keys() - {"headers"}, "no token comes in an address or a cookie"
    return [
        value.partition(source["valuePrefix"])[2]
        for source in sources["headers"]
        for value in request.values(source["name"])
        if source["valuePrefix"] in value
    ]


def _is_authorized(spec: Object, headers: dict[str, str]) -> bool:
    """The first rule that matches decides, else the default; that is Deny unless said.

    https://gateway.envoyproxy.io/v1.9/api/extension_types/#authorization. An expression that fails,
    as one does that asks for a header that is not there, does not match (the same page).
    """
    for rule in spec.get("rules", []):
        assert not rule.keys() - {"name", "action", "cel"}, "rules are expressions here"
        form = re.fullmatch(r"request\.headers\['([a-z-]+)'\] != ''", rule["cel"])
        assert form, "the only expression that is understood here"
        if headers.get(form[1], "") != "":
            return rule["action"] == "Allow"
    return spec.get("defaultAction", "Deny") == "Allow"


def _acted(met: Met, headers: dict[str, str]) -> Answer:
    """The rule's own action, after all filters.

    What a RequestHeaderModifier does is the route's to Envoy, done by its last filter, the router
    (https://github.com/envoyproxy/gateway/blob/v1.9.0/internal/xds/translator/route.go).
    """
    for each in met.rule.get("filters", []):
        if each["type"] == "RequestRedirect":
            return Answer(each["requestRedirect"]["statusCode"])
        assert each["type"] == "RequestHeaderModifier", "the only other filter that is used"
        change = each["requestHeaderModifier"]
        for name in change.get("remove", []):
            headers.pop(name.lower(), None)
        headers |= {one["name"].lower(): one["value"] for one in change.get("set", [])}
    (backend,) = met.rule["backendRefs"]
    return Answer(200, f"{met.route['metadata']['namespace']}/{backend['name']}", headers)


def _overridden(edge: Edge, met: Met, status: int) -> int:
    """The status that an answer of the gateway's own is given in the end.

    https://gateway.envoyproxy.io/v1.9/tasks/traffic/response-override/; ``source`` says whose
    answers are meant (https://gateway.envoyproxy.io/v1.9/api/extension_types/#responseoverride).
    """
    route = met.route["metadata"]
    target = ("HTTPRoute", route["name"], None)
    policy = _attached(edge, "BackendTrafficPolicy", target, route["namespace"])
    for override in policy["spec"].get("responseOverride", []) if policy else []:
        codes = [code["value"] for code in override["match"]["statusCodes"]]
        if status in codes and override.get("source", "All") in {"All", "Local"}:
            return override["response"]["statusCode"]
    return status


def _attached(edge: Edge, policy: str, target: tuple[str, str, str | None], home: str) -> Any:
    """The policy of that kind, in the namespace ``home``, whose target is exactly this."""
    return next(
        (
            item
            for item in edge.of(policy)
            for each in item["spec"]["targetRefs"]
            if item["metadata"]["namespace"] == home
            and (each["kind"], each["name"], each.get("sectionName")) == target
        ),
        None,
    )
