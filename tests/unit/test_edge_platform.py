"""The gateway, its certificates and what pods may reach, as the program asks for them."""

from __future__ import annotations

import base64
import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from edge_cluster import API_DOMAIN, KEYS, STRONG, custom_objects, record, recorded, settings
from home_cluster import NAMESPACE, POLICY, RELEASE, SECRET, SECRET_MARK, plain

from ampere_infra.platform import metadata
from ampere_infra.platform.certificates import issuer, values
from ampere_infra.platform.cilium import NODE_ADDRESS_CLASS
from ampere_infra.secrets.model import ApiSecrets, SecretsError, generate
from ampere_infra.services.api import encoded
from ampere_infra.stacks import api_specs

WORKLOADS = ["api", "website"]


def the(kind: str, name: str, recorder=None) -> dict[str, Any]:
    """The spec of one object."""
    (found,) = [
        item
        for item in custom_objects(recorder or recorded())
        if (item["kind"], item["metadata"]["name"]) == (kind, name)
    ]
    return found["spec"]


def waits(name: str, type_: str = RELEASE) -> set[str]:
    return recorded().waits[type_, name]


def test_these_releases_make_the_public_side():
    assert sorted(recorded().of(RELEASE)) == [
        "api",
        "cert-manager",
        "cilium",
        "envoy-gateway",
        "local-path",
        "website",
    ]


def test_a_chart_of_a_registry_is_named_by_its_whole_address_and_tag():
    release = recorded().release("envoy-gateway")
    assert release["chart"] == "oci://docker.io/envoyproxy/gateway-helm"
    assert release["version"] == "v1.9.0"
    assert "repositoryOpts" not in release, "Helm has no handler for oci:// repositories"


def test_cert_manager_is_pinned():
    release = recorded().release("cert-manager")
    assert release["repositoryOpts"]["repo"] == "https://charts.jetstack.io"
    assert release["version"] == "v1.21.1"


def test_the_gateways_service_gets_the_nodes_own_address():
    assert recorded().release("cilium")["values"]["nodeIPAM"] == {"enabled": True}
    service = the("EnvoyProxy", "public")["provider"]["kubernetes"]["envoyService"]
    assert service["loadBalancerClass"] == NODE_ADDRESS_CLASS == "io.cilium/node"
    assert service["type"] == "LoadBalancer"
    assert service["externalTrafficPolicy"] == "Local", "limits are by the client's address"
    assert service["allocateLoadBalancerNodePorts"] is False, "443 and 80 are all there is"


def test_the_gateway_listens_on_80_and_443_for_its_names():
    listeners = the("Gateway", "public")["listeners"]
    assert [(one["name"], one["port"], one.get("hostname")) for one in listeners] == [
        ("http", 80, None),
        ("https-api", 443, API_DOMAIN),
        ("https-website", 443, "www.ampere-data.eu"),
    ]


def test_each_name_has_a_certificate_of_its_own():
    secrets = {
        one["hostname"]: one["tls"]["certificateRefs"][0]["name"]
        for one in the("Gateway", "public")["listeners"]
        if "hostname" in one
    }
    assert len(set(secrets.values())) == len(secrets), "or a browser mixes the names up"
    for domain, secret in secrets.items():
        certificate = the("Certificate", secret)
        assert (certificate["dnsNames"], certificate["secretName"]) == ([domain], secret)
        assert certificate["issuerRef"]["name"] == "letsencrypt-staging"


def test_tls_is_12_or_later():
    assert the("ClientTrafficPolicy", "https")["tls"]["minVersion"] == "1.2"


def test_requests_are_limited_in_size_and_number_before_anybody_is_asked_for_credentials():
    for name in WORKLOADS:
        policy = the("BackendTrafficPolicy", name)
        assert policy["requestBuffer"] == {"limit": "1Mi"}
        (rule,) = policy["rateLimit"]["local"]["rules"]
        assert rule["limit"] == {"requests": 600, "unit": "Minute"}
        (selector,) = rule["clientSelectors"]
        assert selector["sourceCIDR"]["type"] == "Distinct", "each address has its own share"
    order = [(one["name"], one["before"]) for one in the("EnvoyProxy", "public")["filterOrder"]]
    limiter = "envoy.filters.http.local_ratelimit"
    assert order == [
        (limiter, "envoy.filters.http.jwt_authn"),
        (limiter, "envoy.filters.http.api_key_auth"),
    ], "guessing a key is counted too"


def test_the_settings_limits_reach_the_gateway():
    chosen = settings(gateway={"request_size": "4MiB", "requests_per_minute": 10, "hsts_days": 1})
    asked = record(chosen)
    assert the("BackendTrafficPolicy", "api", asked)["requestBuffer"] == {"limit": "4Mi"}
    late = the("ClientTrafficPolicy", "https", asked)["headers"]["lateResponseHeaders"]["set"]
    assert late == [{"name": "Strict-Transport-Security", "value": "max-age=86400"}]


@pytest.mark.parametrize(
    ("authority", "server"),
    [
        ("staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        ("production", "https://acme-v02.api.letsencrypt.org/directory"),
    ],
)
def test_each_authority_is_another_issuer_with_another_account(authority: str, server: str):
    chosen = settings(certificates={"authority": authority, "email": "a@ampere-data.eu"})
    content = issuer(chosen.certificates)
    assert content["metadata"]["name"] == f"letsencrypt-{authority}", "so certificates are renewed"
    assert content["spec"]["acme"]["server"] == server
    account = content["spec"]["acme"]["privateKeySecretRef"]["name"]
    assert account == f"letsencrypt-{authority}-account"


def test_the_test_authority_is_the_default():
    assert settings().certificates.authority == "staging"


def test_by_default_the_gateway_itself_answers_the_authoritys_question():
    (solver,) = the("ClusterIssuer", "letsencrypt-staging")["acme"]["solvers"]
    (parent,) = solver["http01"]["gatewayHTTPRoute"]["parentRefs"]
    assert (parent["namespace"], parent["name"], parent["sectionName"]) == (
        "gateway",
        "public",
        "http",
    )


@pytest.mark.parametrize(
    ("challenge", "field"),
    [("cloudflare", "apiTokenSecretRef"), ("digitalocean", "tokenSecretRef")],
)
def test_a_dns_provider_is_given_its_token_by_a_secrets_name(challenge: str, field: str):
    asked = record(settings(certificates={"challenge": challenge}))
    (solver,) = the("ClusterIssuer", "letsencrypt-staging", asked)["acme"]["solvers"]
    assert solver["dns01"][challenge][field] == {"name": "dns-token", "key": "token"}
    assert SECRET_MARK in asked.of(SECRET)["dns-token"]["stringData"]
    assert asked.release("cert-manager")["values"]["dns01RecursiveNameserversOnly"] is True


@pytest.mark.parametrize("challenge", ["cloudflare", "digitalocean"])
def test_a_dns_challenge_without_a_token_is_told_as_a_missing_secret(challenge: str):
    chosen = settings(certificates={"challenge": challenge})
    values = {name: secret for name, secret in generate("api").items() if name != "dns_token"}
    needed = f"dns_token is missing, which ampere:certificates.challenge {challenge} needs"
    with pytest.raises(SecretsError, match=needed):
        api_specs.dns_token(chosen, ApiSecrets.parse(values, "file"))


def test_a_token_that_no_challenge_needs_goes_nowhere():
    secrets = ApiSecrets.parse(generate("api"), "file")
    assert api_specs.dns_token(settings(), secrets) is None


def test_cert_managers_definitions_outlive_its_release():
    assert values(settings().certificates)["crds"] == {"enabled": True, "keep": True}


def test_the_gateways_definitions_are_there_before_what_needs_them():
    assert "envoy-gateway" in waits("cert-manager"), "its controller does not start without"
    kind = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
    assert {"envoy-gateway", "cert-manager"} <= waits("gateway-public", kind)


def test_a_route_comes_after_its_policies_and_after_the_listeners_are_closed():
    kind = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
    found = waits("httproute-api", kind)
    assert {"securitypolicy-api-api-key", "securitypolicy-api-jwt", "api-clients"} <= found
    assert "securitypolicy-closed" in found
    assert "securitypolicy-website-public" in waits("httproute-website", kind)


@pytest.mark.parametrize("name", ["api", "website", "envoy-gateway", "cert-manager"])
def test_no_pod_starts_before_the_metadata_address_is_closed(name: str):
    assert "ciliumclusterwidenetworkpolicy-metadata-closed" in waits(name)


@pytest.mark.parametrize(
    "name", ["api", "cert-manager", "envoy-gateway-system", "gateway", "website"]
)
def test_each_namespace_is_restricted(name: str):
    labels = recorded().of(NAMESPACE)[name]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_reached_by_the_gateway_and_looks_up_names_and_no_more(name: str):
    policy = recorded().of(POLICY)[f"{name}-{name}"]["spec"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    home = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert home == "envoy-gateway-system"
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "proxy"
    assert [port["port"] for port in rule["ports"]] == [8080]
    assert "egress" not in policy, "names are the default policy's"


def test_only_the_gateway_is_open_to_the_internet():
    open_to_all = {
        name
        for name, policy in recorded().of(POLICY).items()
        for rule in policy["spec"].get("ingress", [])
        for peer in rule["from"]
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    }
    assert open_to_all == {"envoy-gateway-system-proxy-envoy"}


def reaches(policies: list[dict[str, Any]], cilium: dict[str, Any], address: str) -> bool:
    """Whether a pod that all ``policies`` select may send to ``address``.

    Allowing policies add up; a denial wins over all of them
    (https://docs.cilium.io/en/stable/security/policy/deny/).
    """
    goal = IPv4Address(address)
    denied = [IPv4Network(cidr) for rule in cilium["egressDeny"] for cidr in rule["toCIDR"]]
    if cilium["endpointSelector"] == {} and any(goal in network for network in denied):
        return False
    if not policies:
        return cilium["enableDefaultDeny"]["egress"] is False
    return any(
        goal in IPv4Network(peer["ipBlock"]["cidr"])
        for policy in policies
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    )


def test_no_pod_reaches_the_metadata_address_whatever_allows_it():
    closed = the("CiliumClusterwideNetworkPolicy", "metadata-closed")
    everything = {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}}
    for policies in ([], [everything], list(recorded().of(POLICY).values())):
        assert not reaches(policies, closed, "169.254.169.254")
    open_ones = [recorded().of(POLICY)["envoy-gateway-system-proxy-envoy"]]
    assert reaches(open_ones, closed, "198.51.100.7"), "it would be reached without the denial"


def test_closing_one_address_denies_nothing_else():
    closed = the("CiliumClusterwideNetworkPolicy", "metadata-closed")
    assert reaches([], closed, "198.51.100.7"), "pods without a policy talk as before"
    assert closed["enableDefaultDeny"] == {"ingress": False, "egress": False}
    assert closed == metadata.policy()["spec"]


def test_each_clients_key_is_an_entry_that_goes_when_the_client_goes():
    secret = recorded().of(SECRET)["api-clients"]
    assert "stringData" not in secret, "what leaves stringData stays in the cluster"
    assert SECRET_MARK in secret["data"], "the state keeps it encrypted"
    found = {who: base64.b64decode(key).decode() for who, key in plain(secret["data"]).items()}
    assert found == KEYS


def test_another_key_is_another_secret_and_nothing_else():
    more = record(settings(), {**KEYS, "partner": f"canary-another-{STRONG}"})

    def rest(recorder):
        return {
            (asked.type, asked.name): json.dumps(asked.inputs, sort_keys=True, default=str)
            for asked in recorder.asked
            if asked.name != "api-clients"
        }

    assert rest(more) == rest(recorded()), "no release, so no restart"


def test_two_clients_do_not_share_a_key():
    with pytest.raises(ValueError, match="two clients of the API have the same key"):
        encoded({"a": "same", "b": "same"})


@pytest.mark.parametrize("name", WORKLOADS)
def test_images_are_pulled_with_a_secret_made_beforehand(name: str):
    secret = recorded().of(SECRET)[f"{name}-registry"]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert recorded().release(name)["values"]["existingPullSecret"] == "registry"
    login = json.loads(plain(secret["stringData"])[".dockerconfigjson"])["auths"]["ghcr.io"]
    assert base64.b64decode(login["auth"]).decode().startswith("ampere-bot:canary-pull")


def test_no_secret_stands_among_the_values_or_in_an_object():
    for release in recorded().of(RELEASE).values():
        assert "canary" not in json.dumps(release, default=str)
    assert "canary" not in json.dumps(custom_objects(recorded()))


def test_more_pods_when_busy_is_a_setting():
    busy = record(settings(api={"max_replicas": 6})).release("api")["values"]
    assert busy["autoscaling"]["maxReplicas"] == 6
    assert recorded().release("api")["values"]["autoscaling"]["maxReplicas"] == 0


def test_another_digest_changes_one_release_and_nothing_else():
    image = settings().api.image.replace("0123", "3210")
    newer = record(settings(api={"image": image}))
    before = {(a.type, a.name): a.inputs for a in recorded().asked}
    after = {(a.type, a.name): a.inputs for a in newer.asked}
    changed = [key for key in before if before[key] != after[key]]
    assert changed == [(RELEASE, "api")]
