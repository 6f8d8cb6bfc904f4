"""The table of who may talk to whom in the public cluster, in the form of the rows in the settings.

All NetworkPolicies come from it; docs/edge.md shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.flows import ANYWHERE, API_SERVER_PORT, COMMON, by_udp, row
from ampere_infra.settings.namespaces import API as API_NAMESPACE
from ampere_infra.settings.namespaces import CERT_MANAGER, ENVOY_GATEWAY, GATEWAY
from ampere_infra.settings.namespaces import WEBSITE as WEBSITE_NAMESPACE
from ampere_infra.settings.traffic import API, NODES

if TYPE_CHECKING:
    from ampere_infra.settings.traffic import Flow

XDS_PORT = 18000
PROXY_PORTS = (10080, 10443)
"""Where Envoy listens for 80 and 443, which a process without root's rights may not
(https://gateway.envoyproxy.io/v1.9/tasks/traffic/gateway-address/)."""
SOLVER_PORT = 8089
"""The pod that answers a challenge
(https://cert-manager.io/docs/configuration/acme/http01/)."""
CERT_WEBHOOK_PORT = 10250

_NAME = "app.kubernetes.io/name"
_COMPONENT = "app.kubernetes.io/component"
CONTROLLER = f"{ENVOY_GATEWAY}/control-plane=envoy-gateway"
CERTGEN = f"{ENVOY_GATEWAY}/app=certgen"
PROXY = f"{ENVOY_GATEWAY}/{_COMPONENT}=proxy,{_NAME}=envoy"
SOLVER = f"{GATEWAY}/acme.cert-manager.io/http01-solver=true"
ISSUER = f"{CERT_MANAGER}/{_COMPONENT}=controller,{_NAME}=cert-manager"
CERT_WEBHOOK = f"{CERT_MANAGER}/{_COMPONENT}=webhook"
API_PODS = f"{API_NAMESPACE}/{_NAME}=api"
WEBSITE_PODS = f"{WEBSITE_NAMESPACE}/{_NAME}=website"
INTERNET = ANYWHERE
"""Cilium matches no pod with it, and no node but by ``policyCIDRMatchMode``."""

_API, _HTTPS = (API_SERVER_PORT,), (443,)

PRODUCT = (
    *COMMON,
    row("gateway-api", CONTROLLER, API, _API, "The controller watches routes."),
    row("certgen-api", CERTGEN, API, _API, "Certificates between it and Envoy are kept."),
    row("certificates-api", CERT_MANAGER, API, _API, "Certificates are kept as Secrets."),
    row("internet-proxy", INTERNET, PROXY, PROXY_PORTS, "HTTP and HTTPS."),
    row("proxy-controller", PROXY, CONTROLLER, (XDS_PORT,), "Envoy gets its routes."),
    row("authority", ISSUER, INTERNET, _HTTPS, "Let's Encrypt, and a DNS provider's API."),
    row(
        "certificates-webhook",
        NODES,
        CERT_WEBHOOK,
        (CERT_WEBHOOK_PORT,),
        "The API server has certificates' objects checked.",
    ),
)


def workloads(api: int, website: int) -> tuple[Flow, ...]:
    """Return the rows of what listens on these ports behind the gateway."""
    return (
        row("proxy-api", PROXY, API_PODS, (api,), "Requests with valid credentials."),
        row("proxy-website", PROXY, WEBSITE_PODS, (website,), "Requests."),
    )


TOKENS = (row("proxy-keys", PROXY, INTERNET, _HTTPS, "Issuers' keys are fetched."),)
"""The rows of an API that takes tokens."""
HTTP_CHALLENGE = (
    row("challenge", PROXY, SOLVER, (SOLVER_PORT,), "The authority's question."),
    row(
        "challenge-check",
        ISSUER,
        PROXY,
        PROXY_PORTS[:1],
        "It asks itself first, at the node's address, which Cilium turns into Envoy's.",
    ),
)
DNS_CHALLENGE = (
    by_udp(row("challenge-dns", ISSUER, INTERNET, (53,), "It looks for the record.")),
    row("challenge-dns-long", ISSUER, INTERNET, (53,), "Long answers come over TCP."),
)
OPTIONAL = (*workloads(8080, 8080), *TOKENS, *HTTP_CHALLENGE, *DNS_CHALLENGE)
"""The rows of what depends on the settings, with ports for the sake of the example."""
