"""Who gets in: each route and each credential, through the rendered rules."""

from __future__ import annotations

import copy
import re

import pytest
from edge_cluster import (
    API_DOMAIN,
    AUDIENCE,
    DOCUMENT,
    ISSUER,
    KEYS,
    WEBSITE_DOMAIN,
    custom_objects,
    record,
    recorded,
    settings,
)
from edge_matching import Edge, Request
from edge_rules import answer
from edge_tokens import (
    NOW,
    ec_key,
    published,
    published_by,
    signed,
    signed_with_the_public_key,
    unsigned,
)

from ampere_infra.platform.gateway_objects import Site
from ampere_infra.platform.routes import OpenRouteError, Route, Rule, objects, refuse_open
from ampere_infra.services.api import route as api_route

JWKS = settings().api.jwt[0].jwks
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-42", "exp": NOW + 300}


def edge(recorder=None, keys=KEYS) -> Edge:
    found = copy.deepcopy(custom_objects(recorder or recorded()))
    return Edge(found, {("api", "api-clients"): dict(keys)}, {JWKS: published()})


EDGE = edge()
KEYS_ONLY = edge(record(settings(api={"jwt": ()})))
TOKENS_ONLY = edge(record(settings(), {}))


def bearer(token: str, name: str = "Authorization") -> tuple[str, str]:
    return name, f"Bearer {token}"


def key(value: str, name: str = "x-api-key") -> tuple[str, str]:
    return name, value


RIGHT = key(KEYS["acme"])
TOKEN = bearer(signed(CLAIMS))
CREDENTIALS = {
    "none": ((), 401, None),
    "the right key": ((RIGHT,), 200, ("acme", "api-key")),
    "another client's key": ((key(KEYS["mobile"]),), 200, ("mobile", "api-key")),
    "a wrong key": ((key("wrong"),), 401, None),
    "half a key": ((key(KEYS["acme"][:-1]),), 401, None),
    "an empty key": ((key(""),), 401, None),
    "a client's name for a key": ((key("acme"),), 401, None),
    "the key in capitals of the header": (
        (key(KEYS["acme"], "X-API-KEY"),),
        200,
        ("acme", "api-key"),
    ),
    "the key in mixed case of the header": (
        (key(KEYS["acme"], "X-Api-Key"),),
        200,
        ("acme", "api-key"),
    ),
    "the key below another header": ((key(KEYS["acme"], "api-key"),), 401, None),
    "the key with an underscore": ((key(KEYS["acme"], "x_api_key"),), 400, None),
    "the key as a bearer": ((bearer(KEYS["acme"]),), 401, None),
    "the key in the address": ((), 401, None),
    "a wrong key first, the right one second": ((key("wrong"), RIGHT), 401, None),
    "a token": ((TOKEN,), 200, ("user-42", "jwt")),
    "a token signed by RSA": ((bearer(signed(CLAIMS, kid="rsa")),), 200, ("user-42", "jwt")),
    "a token for several": (
        (bearer(signed({**CLAIMS, "aud": ["x", AUDIENCE]})),),
        200,
        ("user-42", "jwt"),
    ),
    "a token in capitals of the header": (
        (bearer(signed(CLAIMS), "AUTHORIZATION"),),
        200,
        ("user-42", "jwt"),
    ),
    "a token that never expires": (
        (bearer(signed({k: v for k, v in CLAIMS.items() if k != "exp"})),),
        200,
        ("user-42", "jwt"),
    ),
    "an expired token": ((bearer(signed({**CLAIMS, "exp": NOW - 3600})),), 401, None),
    "a token of tomorrow": ((bearer(signed({**CLAIMS, "nbf": NOW + 3600})),), 401, None),
    "a token for another audience": ((bearer(signed({**CLAIMS, "aud": "other"})),), 401, None),
    "a token for no audience": (
        (bearer(signed({k: v for k, v in CLAIMS.items() if k != "aud"})),),
        401,
        None,
    ),
    "a token of another issuer": (
        (bearer(signed({**CLAIMS, "iss": "https://evil.example/"})),),
        401,
        None,
    ),
    "a token of the issuer but for a slash": (
        (bearer(signed({**CLAIMS, "iss": ISSUER.rstrip("/")})),),
        401,
        None,
    ),
    "a token of no issuer": (
        (bearer(signed({k: v for k, v in CLAIMS.items() if k != "iss"})),),
        401,
        None,
    ),
    "a token by another's key": ((bearer(signed(CLAIMS, ec_key("stranger"))),), 401, None),
    "a token of an unknown key": ((bearer(signed(CLAIMS, kid="old")),), 401, None),
    "a token without a signature": ((bearer(unsigned(CLAIMS)),), 401, None),
    "a token signed with what is public": (
        (bearer(signed_with_the_public_key(CLAIMS)),),
        401,
        None,
    ),
    "a token that says more than was signed": (
        (
            bearer(
                ".".join(
                    (
                        *signed(CLAIMS).split(".")[:1],
                        *signed({**CLAIMS, "sub": "root"}).split(".")[1:2],
                        signed(CLAIMS).split(".")[2],
                    )
                )
            ),
        ),
        401,
        None,
    ),
    "a token of nobody": (
        (bearer(signed({k: v for k, v in CLAIMS.items() if k != "sub"})),),
        401,
        None,
    ),
    "a token of an empty name": ((bearer(signed({**CLAIMS, "sub": ""})),), 401, None),
    "a bearer in lower case": ((("Authorization", f"bearer {signed(CLAIMS)}"),), 401, None),
    "a token without the word": ((("Authorization", signed(CLAIMS)),), 401, None),
    "a good and a bad token": ((TOKEN, bearer("wrong")), 401, None),
    "two good tokens": ((TOKEN, TOKEN), 200, ("user-42", "jwt")),
    "a token of a list of names": ((bearer(signed({**CLAIMS, "sub": ["root"]})),), 401, None),
    "a password": ((("Authorization", "Basic YWNtZTpzZWNyZXQ="),), 401, None),
    "no token at all": ((("Authorization", "Bearer "),), 401, None),
    "both": ((RIGHT, TOKEN), 200, ("acme", "api-key")),
    "both, the token first": ((TOKEN, RIGHT), 200, ("acme", "api-key")),
    "a right key and an expired token": (
        (RIGHT, bearer(signed({**CLAIMS, "exp": NOW - 3600}))),
        200,
        ("acme", "api-key"),
    ),
    "a wrong key and a right token": ((key("wrong"), TOKEN), 401, None),
    "an empty key and a right token": ((key(""), TOKEN), 401, None),
    "both wrong": ((key("wrong"), bearer("wrong")), 401, None),
    "a name of one's own": ((("x-client-id", "acme"),), 401, None),
    "a name and a method of one's own": (
        (("X-Client-Id", "acme"), ("X-Client-Auth", "api-key")),
        401,
        None,
    ),
    "a right key and another's name": (
        (RIGHT, ("x-client-id", "root"), ("x-client-auth", "jwt")),
        200,
        ("acme", "api-key"),
    ),
    "a token and another's name": ((TOKEN, ("X-CLIENT-ID", "root")), 200, ("user-42", "jwt")),
    "a token of nobody and another's name": (
        (bearer(signed({k: v for k, v in CLAIMS.items() if k != "sub"})), ("x-client-id", "root")),
        401,
        None,
    ),
    "a right key and another's name with underscores": (
        (RIGHT, ("x_client_id", "root")),
        400,
        None,
    ),
}
GOOD_TOKENS = {
    header
    for headers, status, client in CREDENTIALS.values()
    if status == 200 and client == ("user-42", "jwt")
    for header in headers
    if header[0].lower() == "authorization"
}
PATHS = {"the key in the address": f"/?x-api-key={KEYS['acme']}&access_token={signed(CLAIMS)}"}


def ask(to: Edge, headers, path="/v1/things", host=API_DOMAIN, port=443):
    return answer(to, Request(host, path, headers, port=port))


@pytest.mark.parametrize("name", CREDENTIALS)
def test_the_api_answers_each_credential_as_it_should(name):
    headers, status, client = CREDENTIALS[name]
    got = ask(EDGE, headers, PATHS.get(name, "/v1/things"))
    assert got.status == status
    if client is None:
        assert got.backend is None, "a request that is refused does not reach the API"
    else:
        assert got.backend == "api/api"
        assert (got.sent["x-client-id"], got.sent["x-client-auth"]) == client


@pytest.mark.parametrize("name", [name for name, row in CREDENTIALS.items() if row[1] == 200])
def test_no_credential_reaches_the_api(name):
    sent = ask(EDGE, CREDENTIALS[name][0]).sent
    assert not sent.keys() & {"authorization", "x-api-key"}, "neither the used nor the unused one"
    text = repr(sent)
    assert not any(value in text for value in (*KEYS.values(), "Bearer"))


@pytest.mark.parametrize("name", CREDENTIALS)
def test_with_keys_alone_a_token_is_worth_nothing(name):
    headers, status, client = CREDENTIALS[name]
    got = ask(KEYS_ONLY, headers, PATHS.get(name, "/v1/things"))
    is_right = status == 200 and client is not None and client[1] == "api-key"
    assert got.status == (status if is_right or status == 400 else 401)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_with_tokens_alone_a_key_is_worth_nothing(name):
    headers, status, _ = CREDENTIALS[name]
    tokens = {each for each in headers if each[0].lower() == "authorization"}
    has_token = bool(tokens) and tokens <= GOOD_TOKENS
    got = ask(TOKENS_ONLY, headers, PATHS.get(name, "/v1/things"))
    assert got.status == (400 if status == 400 else 200 if has_token else 401)


THEIR_JWKS = "https://id.partner.example/keys"
OURS = {"iss": ISSUER, "aud": AUDIENCE}
THEIRS = {"iss": "https://id.partner.example/", "aud": "partner"}


@pytest.fixture(scope="module")
def two_issuers():
    partner = {"issuer": THEIRS["iss"], "audiences": [THEIRS["aud"]], "jwks": THEIR_JWKS}
    chosen = settings(api={"jwt": [*DOCUMENT["api"]["jwt"], partner]})
    keys = {str(JWKS): published(), THEIR_JWKS: [published_by("partner")]}
    return Edge(copy.deepcopy(custom_objects(record(chosen))), {}, keys)


@pytest.mark.parametrize(
    ("names", "key_of", "status"),
    [
        (OURS, "issuer", 200),
        (THEIRS, "partner", 200),
        ({**OURS, "aud": "partner"}, "issuer", 401),
        ({**THEIRS, "aud": AUDIENCE}, "partner", 401),
        (OURS, "partner", 401),
        (THEIRS, "issuer", 401),
        ({**THEIRS, "aud": ["partner", AUDIENCE]}, "issuer", 401),
    ],
    ids=[
        *("the first's", "the second's"),
        *("the first's for the second's audience", "the second's for the first's audience"),
        *("the first's by the second's key", "the second's by the first's key"),
        "the second's for both audiences by the first's key",
    ],
)
def test_of_two_issuers_each_speaks_for_itself(two_issuers, names, key_of, status):
    token = signed({**CLAIMS, **names}, ec_key(key_of))
    got = ask(two_issuers, (bearer(token),))
    assert got.status == status
    assert got.sent.get("x-client-id") == ("user-42" if status == 200 else None)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/things?x=1", "/healthz", "//v1", "/.well-known/x"]
)
def test_no_path_of_the_api_is_open(path):
    assert ask(EDGE, (), path).status == 401
    assert ask(EDGE, (RIGHT,), path).status == 200


@pytest.mark.parametrize("name", [name for name, row in CREDENTIALS.items() if row[1] != 400])
def test_the_website_is_open_to_everybody_and_asks_for_nothing(name):
    got = ask(EDGE, CREDENTIALS[name][0], host=WEBSITE_DOMAIN)
    assert (got.status, got.backend) == (200, "website/website")
    assert not got.sent.keys() & {"x-client-id", "x-client-auth"}, "it is not told lies either"


@pytest.mark.parametrize("host", [API_DOMAIN, WEBSITE_DOMAIN])
@pytest.mark.parametrize("name", ["none", "the right key", "a token"])
def test_by_http_everybody_is_sent_to_https(host, name):
    got = ask(EDGE, CREDENTIALS[name][0], host=host, port=80)
    assert (got.status, got.backend) == (301, None)
    assert "Strict-Transport-Security" not in got.headers, "by HTTP it means nothing (RFC 6797)"


@pytest.mark.parametrize("host", [API_DOMAIN, WEBSITE_DOMAIN])
@pytest.mark.parametrize("headers", [(), (RIGHT,), (("x_y", "z"),)], ids=["none", "key", "refused"])
def test_every_answer_by_https_says_to_come_by_https(host, headers):
    got = ask(EDGE, headers, host=host)
    assert got.headers == {"Strict-Transport-Security": "max-age=31536000"}, got.status


@pytest.mark.parametrize("port", [80, 443])
def test_an_unknown_name_leads_nowhere(port):
    assert ask(EDGE, (RIGHT,), host="other.ampere-data.eu", port=port).status == 404


def test_during_a_challenge_everything_else_is_still_sent_to_https():
    found = added("solver", "gateway", API_DOMAIN, "http")
    asked = "/.well-known/acme-challenge/token"
    path = {"type": "Exact", "value": asked}
    found.objects[-1]["spec"]["rules"][0]["matches"] = [{"path": path}]
    got = ask(found, (), asked, port=80)
    assert (got.status, got.backend) == (200, "gateway/solver"), "a challenge needs no policy"
    assert ask(found, (), "/v1", port=80).status == 301
    assert ask(found, (), asked).status == 401, "and opens nothing on the other port"


def test_a_revoked_key_opens_nothing_and_the_others_go_on():
    left = edge(keys={"mobile": KEYS["mobile"]})
    assert ask(left, (RIGHT,)).status == 401
    assert ask(left, (key(KEYS["mobile"]),)).status == 200


def added(name: str, namespace: str, host: str, listener: str) -> Edge:
    """The edge with one more route, of somebody who thought of no policy."""
    found = edge()
    rule = {"backendRefs": [{"name": name, "port": 80}]}
    parent = {"name": "public", "namespace": "gateway", "sectionName": listener}
    spec = {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}
    found.objects.append(
        {"kind": "HTTPRoute", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    )
    return found


def test_a_new_route_without_a_policy_is_closed_by_its_listeners():
    found = added("debug", "api", API_DOMAIN, "https-api")
    for item in found.of("HTTPRoute"):
        if item["metadata"]["name"] == "debug":
            item["spec"]["rules"][0]["matches"] = [{"path": {"type": "Exact", "value": "/debug"}}]
    got = ask(found, (RIGHT,), "/debug")
    assert (got.status, got.policy) == (403, "closed"), "whatever credentials come with it"
    assert ask(found, (RIGHT,), "/v1").status == 200, "the others are as they were"


def test_a_route_of_another_namespace_cannot_take_the_apis_name():
    found = added("trap", "website", API_DOMAIN, "https-api")
    found.objects[-1]["spec"]["rules"][0]["matches"] = [
        {"path": {"type": "Exact", "value": "/login"}}
    ]
    assert ask(found, (RIGHT,), "/login").backend == "api/api"


def test_the_program_refuses_a_route_without_a_policy():
    found = added("debug", "api", API_DOMAIN, "https-api")
    with pytest.raises(OpenRouteError, match="api/debug, rule number 1 without a name: 0 policies"):
        refuse_open(found.objects)


@pytest.mark.parametrize(("copies", "said"), [(0, "0 policies"), (2, "2 policies")])
def test_the_program_refuses_a_rule_that_not_exactly_one_policy_is_about(copies, said):
    found = edge().objects
    kept = [item for item in found if item["metadata"]["name"] != "api-jwt"]
    policy = next(item for item in found if item["metadata"]["name"] == "api-jwt")
    with pytest.raises(OpenRouteError, match=f"api/api, rule jwt: {said}"):
        refuse_open([*kept, *[policy] * copies])


def test_the_program_refuses_two_rules_of_one_name():
    rule = Rule("same", {"authorization": {"defaultAction": "Allow"}}, backend=("x", 80))
    site = api_route(settings().api, settings().gateway, _site(), with_keys=True).listener
    with pytest.raises(OpenRouteError, match="rule same: 2 policies"):
        objects(Route("x", "x", site, (rule, rule), ("x.eu",)))


def test_every_route_that_the_program_makes_has_its_policies():
    refuse_open(EDGE.objects)
    assert sorted(r["metadata"]["name"] for r in EDGE.of("HTTPRoute")) == [
        "api",
        "redirect",
        "website",
    ]


def test_nobody_could_call_an_api_without_keys_and_issuers():
    with pytest.raises(ValueError, match="nobody could call the API"):
        api_route(settings(api={"jwt": ()}).api, settings().gateway, _site(), with_keys=False)


def _site():
    return Site("api", API_DOMAIN, "api")


def spoilt(change) -> Edge:
    found = edge()
    for item in found.objects:
        change(item["kind"], item["metadata"]["name"], item["spec"])
    return found


def no_removal(kind, name, spec):
    if (kind, name) == ("HTTPRoute", "api"):
        for rule in spec["rules"]:
            rule["filters"][0]["requestHeaderModifier"]["remove"] = []


def no_cleaning(kind, name, spec):
    if kind == "ClientTrafficPolicy":
        spec["headers"] = {}


def no_override(kind, name, spec):
    if kind == "BackendTrafficPolicy":
        spec.pop("responseOverride", None)


def no_identity(kind, name, spec):
    if (kind, name) == ("SecurityPolicy", "api-jwt"):
        del spec["authorization"]


def one_rule_for_both(kind, name, spec):
    if (kind, name) == ("SecurityPolicy", "api-api-key"):
        spec["targetRefs"][0]["sectionName"] = "another"


@pytest.mark.parametrize(
    ("change", "headers", "wrong"),
    [
        (no_removal, (TOKEN,), lambda got: "authorization" in got.sent),
        (no_cleaning, (("x-client-id", "root"),), lambda got: got.sent.get("x-client-id")),
        (no_override, (bearer(signed({**CLAIMS, "aud": "other"})),), lambda got: got.status == 403),
        (no_identity, (bearer(signed({**CLAIMS, "sub": ""})),), lambda got: got.status == 200),
        (one_rule_for_both, (RIGHT,), lambda got: got.policy == "closed"),
    ],
    ids=["no removal", "no cleaning", "no override", "no identity", "no policy"],
)
def test_each_part_of_the_rules_is_needed(change, headers, wrong):
    host = WEBSITE_DOMAIN if change is no_cleaning else API_DOMAIN
    assert wrong(ask(spoilt(change), headers, host=host)), "the walk notices when it is not there"
    assert not wrong(ask(EDGE, headers, host=host))


def test_a_key_has_no_place_in_an_object_that_is_not_a_secret():
    assert not re.search("canary", repr(EDGE.objects))
