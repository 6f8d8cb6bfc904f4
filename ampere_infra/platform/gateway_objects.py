"""The gateway as Kubernetes objects: its class, its proxy, its listeners and what they demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampere_infra.platform.cilium import NODE_ADDRESS_CLASS
from ampere_infra.platform.manifests import ENVOY_GATEWAY, GATEWAY_API, Manifest, manifest
from ampere_infra.platform.quantity import quantity
from ampere_infra.platform.routes import CLOSED, PUBLIC, Listener, Route, Rule, objects
from ampere_infra.settings.namespaces import GATEWAY as NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ampere_infra.settings.edge import Gateway

NAME = "public"
CLASS = "envoy"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
HTTP = "http"
IDENTITY_HEADER = "x-client-id"
"""Tells a workload who is calling; what a client sends by this name is dropped."""
METHOD_HEADER = "x-client-auth"
"""Tells it how that was proved: ``api-key`` or ``jwt``."""
POLICY_API = f"{ENVOY_GATEWAY}/v1alpha1"
_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Site:
    """One name that is served by HTTPS."""

    name: str
    domain: str
    namespace: str
    """The only namespace whose routes may use the name."""

    @property
    def listener(self) -> Listener:
        """Where its routes are attached."""
        return Listener(NAME, NAMESPACE, f"https-{self.name}")

    @property
    def secret(self) -> str:
        """The Secret with its certificate."""
        return f"tls-{self.name}"


def gateway_class() -> Manifest:
    """Return the class, which is the cluster's."""
    return manifest(f"{GATEWAY_API}/v1", "GatewayClass", CLASS, {"controllerName": CONTROLLER})


def envoy_proxy() -> Manifest:
    """Return how Envoy runs: one pod, reached at the node's own address.

    Requests are counted before anybody is asked for credentials, so that guessing them is limited
    too: by default the counting comes last. The two positions are applied in their order, and the
    second moves nothing where no rule takes API keys.
    """
    service = {
        "name": NAME,
        "type": "LoadBalancer",
        "loadBalancerClass": NODE_ADDRESS_CLASS,
        # The client's address stays visible, and no port besides the listeners' is opened.
        "externalTrafficPolicy": "Local",
        "allocateLoadBalancerNodePorts": False,
    }
    deployment = {
        "name": NAME,
        "replicas": 1,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "container": {
            "resources": {
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"memory": "512Mi"},
            }
        },
    }
    limiter = "envoy.filters.http.local_ratelimit"
    spec = {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {"envoyService": service, "envoyDeployment": deployment},
        },
        "filterOrder": [
            {"name": limiter, "before": "envoy.filters.http.jwt_authn"},
            {"name": limiter, "before": "envoy.filters.http.api_key_auth"},
        ],
    }
    return manifest(POLICY_API, "EnvoyProxy", NAME, spec, NAMESPACE)


def gateway(sites: Sequence[Site]) -> Manifest:
    """Return the Gateway: port 80 for redirects and challenges, 443 for each site's name."""
    here = {"namespaces": {"from": "Same"}}
    http = {"name": HTTP, "port": 80, "protocol": "HTTP", "allowedRoutes": here}
    parameters = {"group": ENVOY_GATEWAY, "kind": "EnvoyProxy", "name": NAME}
    spec = {
        "gatewayClassName": CLASS,
        "infrastructure": {"parametersRef": parameters},
        "listeners": [http, *(_https(site) for site in sites)],
    }
    return manifest(f"{GATEWAY_API}/v1", "Gateway", NAME, spec, NAMESPACE)


def _https(site: Site) -> dict[str, Any]:
    owner = {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}}
    return {
        "name": site.listener.name,
        "hostname": site.domain,
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": site.secret}]},
        "allowedRoutes": {
            "kinds": [{"group": GATEWAY_API, "kind": "HTTPRoute"}],
            "namespaces": {"from": "Selector", "selector": owner},
        },
    }


def client_traffic(settings: Gateway, sites: Sequence[Site]) -> list[Manifest]:
    """Return what connections and headers must be like, for port 80 and for 443.

    A header that names the client is taken away before routing, whoever sent it; with underscores
    in it, which some frameworks read as hyphens, the request is refused.
    """
    timeouts = {"requestReceivedTimeout": f"{settings.request_timeout}s", "idleTimeout": "300s"}
    headers: dict[str, Any] = {
        "earlyRequestHeaders": {"remove": [IDENTITY_HEADER, METHOD_HEADER]},
        "withUnderscoresAction": "RejectRequest",
    }
    common = {"timeout": {"http": timeouts}}
    hsts = {
        "name": "Strict-Transport-Security",
        "value": f"max-age={settings.hsts_days * _DAY}",
    }
    secured = {"headers": {**headers, "lateResponseHeaders": {"set": [hsts]}}}
    tls = {"tls": {"minVersion": "1.2", "alpnProtocols": ["h2", "http/1.1"]}}
    names = [site.listener.name for site in sites]
    specs = {
        HTTP: {"targetRefs": _sections([HTTP]), "headers": headers, **common},
        "https": {"targetRefs": _sections(names), **secured, **tls, **common},
    }
    return [
        manifest(POLICY_API, "ClientTrafficPolicy", name, spec, NAMESPACE)
        for name, spec in specs.items()
    ]


def closed(sites: Sequence[Site]) -> Manifest:
    """Return the policy of the sites' listeners: a route that brings none is refused with 403.

    Port 80 is left out: there cert-manager's own routes answer the authority's challenges.
    """
    spec = {"targetRefs": _sections([site.listener.name for site in sites]), **CLOSED}
    return manifest(POLICY_API, "SecurityPolicy", "closed", spec, NAMESPACE)


def redirect(sites: Sequence[Site]) -> list[Manifest]:
    """Return the route that sends everybody from HTTP to HTTPS.

    It names the sites: to Envoy the routes of one name are a virtual host of their own, and during
    a challenge there is a route of cert-manager's for the name. A route for every name would then
    not be asked (https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost).
    """
    answer = {
        "type": "RequestRedirect",
        "requestRedirect": {"scheme": "https", "statusCode": 301},
    }
    rule = Rule("all", PUBLIC, filters=(answer,))
    names = tuple(site.domain for site in sites)
    return objects(Route("redirect", NAMESPACE, Listener(NAME, NAMESPACE, HTTP), (rule,), names))


def limits(settings: Gateway) -> dict[str, Any]:
    """Return what a route's BackendTrafficPolicy allows each address, and each request.

    The counters are the one proxy's own, for each route apart
    (https://gateway.envoyproxy.io/v1.9/tasks/traffic/local-rate-limit/), and since Envoy Gateway
    1.4 for each address apart where its type is ``Distinct``, which that page leaves out
    (https://github.com/envoyproxy/gateway/blob/v1.9.0/release-notes/v1.4.0.yaml, "distinct source
    CIDR-based local rate limiting"; https://github.com/envoyproxy/gateway/issues/5315).
    """
    everybody = {"sourceCIDR": {"type": "Distinct", "value": "0.0.0.0/0"}}
    limit = {"requests": settings.requests_per_minute, "unit": "Minute"}
    return {
        "rateLimit": {"local": {"rules": [{"clientSelectors": [everybody], "limit": limit}]}},
        "requestBuffer": {"limit": quantity(settings.request_size)},
        "timeout": {"http": {"requestTimeout": f"{settings.request_timeout}s"}},
    }


def _sections(names: Sequence[str]) -> list[dict[str, str]]:
    base = {"group": GATEWAY_API, "kind": "Gateway", "name": NAME}
    return [{**base, "sectionName": name} for name in names]
