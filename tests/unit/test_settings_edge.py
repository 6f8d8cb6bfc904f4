"""The settings of what the internet sees, each way to spoil them."""

from __future__ import annotations

import pytest
from edge_cluster import DIGEST, DOCUMENT, settings
from pydantic import ValidationError

from ampere_infra.settings import edge
from ampere_infra.settings.checks.edge import CHECKS
from ampere_infra.settings.mistakes import spelled
from ampere_infra.settings.types import Model

SAMPLE_JWT = DOCUMENT["api"]["jwt"][0]
SPOILT = {
    "one name for both": (
        {"website": {"domain": DOCUMENT["api"]["domain"]}},
        (
            "ampere:website.domain: 'api.ampere-data.eu': is used by ampere:api.domain already; "
            "choose another"
        ),
    ),
    "a name of the house": (
        {"api": {"domain": "api.ampere.local"}},
        "ampere:api.domain: 'api.ampere.local': is no public name; write one of a domain of yours",
    ),
    "a name of examples": (
        {"website": {"domain": "www.example.com"}},
        (
            "ampere:website.domain: 'www.example.com': is no public name; write one of a domain of "
            "yours"
        ),
    ),
    "a name without a domain": (
        {"api": {"domain": "api"}},
        "ampere:api.domain: 'api': is no public name; write one of a domain of yours",
    ),
    "a name inside the cluster": (
        {"cluster": {"dns_domain": "ampere-data.eu"}, "website": {"domain": "ampere.eu"}},
        (
            "ampere:api.domain: 'api.ampere-data.eu': is inside ampere:cluster.dns_domain "
            "ampere-data.eu, which only pods can ask"
        ),
    ),
    "a mail that cannot arrive": (
        {"certificates": {"email": "admin@example.com"}},
        (
            "ampere:certificates.email: 'admin@example.com': is an address that nobody can have; "
            "Let's Encrypt refuses it"
        ),
    ),
    "an image of another registry": (
        {
            "registry": {"server": "registry.ampere.eu"},
            "website": {"image": f"registry.ampere.eu/w:1@{DIGEST}"},
        },
        (
            f"ampere:api.image: {spelled(DOCUMENT['api']['image'])}: is not of "
            "ampere:registry.server registry.ampere.eu, whose token pods pull with"
        ),
    ),
    "fewer at most than at least": (
        {"api": {"replicas": 3, "max_replicas": 3}},
        "ampere:api.max_replicas: 3: is not more than replicas 3; write more, or leave it out",
    ),
    "a request like a disk": (
        {"gateway": {"request_size": "2GiB"}},
        "ampere:gateway.request_size: '2GiB': is too much to hold in memory; use at most 1GiB",
    ),
    "an issuer twice": (
        {"api": {"jwt": [SAMPLE_JWT, SAMPLE_JWT]}},
        (
            "ampere:api.jwt[1].issuer: 'https://login.ampere-data.eu/': is used by "
            "ampere:api.jwt[0].issuer already; choose another"
        ),
    ),
    "keys behind what they open": (
        {"api": {"jwt": [{**SAMPLE_JWT, "jwks": "https://api.ampere-data.eu/jwks.json"}]}},
        (
            "ampere:api.jwt[0].jwks: 'https://api.ampere-data.eu/jwks.json': is behind the API "
            "itself, which answers nobody without these keys"
        ),
    ),
}
MISSHAPEN = {
    "a token for everybody": {"api": {"jwt": [{**SAMPLE_JWT, "audiences": []}]}},
    "a token of anybody": {
        "api": {"jwt": [{k: v for k, v in SAMPLE_JWT.items() if k != "issuer"}]}
    },
    "keys by HTTP": {"api": {"jwt": [{**SAMPLE_JWT, "jwks": "http://login.ampere-data.eu/k"}]}},
    "five issuers": {"api": {"jwt": [SAMPLE_JWT] * 5}},
    "a claim with a space": {"api": {"jwt": [{**SAMPLE_JWT, "identity_claim": "my name"}]}},
    "a port of root's": {"api": {"port": 443}},
    "a path without a slash": {"website": {"ready_path": "ready"}},
    "no pods": {"website": {"replicas": 0}},
    "an image without a digest": {"api": {"image": "ghcr.io/ampere/api:1.4.0"}},
    "an image of today": {"api": {"image": "ghcr.io/ampere/api:latest"}},
    "another authority": {"certificates": {"authority": "live"}},
    "a provider that cert-manager has not": {"certificates": {"challenge": "hetzner"}},
    "no HSTS": {"gateway": {"hsts_days": 0}},
    "no requests": {"gateway": {"requests_per_minute": 0}},
    "an unknown key": {"gateway": {"request_sise": "1MiB"}},
    "a key among the settings": {"api": {"keys": {"acme": "hunter2"}}},
}


def mistakes_in(**sections) -> list[str]:
    chosen = settings(**sections)
    return [str(mistake) for check in CHECKS for mistake in check(chosen)]


@pytest.mark.parametrize(("sections", "said"), SPOILT.values(), ids=SPOILT)
def test_what_no_single_value_shows_is_told(sections, said):
    assert said in mistakes_in(**sections)


@pytest.mark.parametrize("sections", MISSHAPEN.values(), ids=MISSHAPEN)
def test_what_a_value_cannot_be_is_refused(sections):
    with pytest.raises(ValidationError):
        settings(**sections)


def test_the_sample_is_right():
    assert mistakes_in() == []


def test_each_check_has_a_case():
    unseen = {
        check.__name__
        for check in CHECKS
        if not any(list(check(settings(**sections))) for sections, _ in SPOILT.values())
    }
    assert unseen == set()


def test_every_setting_is_described():
    models = [each for each in vars(edge).values() if isinstance(each, type)]
    ours = [each for each in models if issubclass(each, Model) and each.__module__ == edge.__name__]
    assert len(ours) == 7
    for model in ours:
        assert model.__doc__, model
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
