"""The settings of what the internet sees: the gateway, its certificates, the API, the website."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.types import (
    MIB,
    DnsName,
    Email,
    HttpsUrl,
    ImageReference,
    Login,
    Model,
    Size,
    matching,
)

Audience = Annotated[
    str,
    matching(
        r"[!-~]{1,253}", "write an audience, without spaces, as its tokens name it", "ampere-api"
    ),
]
"""What a token's ``aud`` names: text or an address (RFC 7519, section 4.1.3)."""
Claim = Annotated[
    str,
    matching(r"[A-Za-z0-9_]{1,64}", "write a claim's name: letters, digits and underscores", "sub"),
]
UrlPath = Annotated[
    str,
    matching(r"/[A-Za-z0-9._~/-]*", "write a path that begins with a slash", "/healthz"),
]
Port = Annotated[int, Field(strict=True, ge=1024, le=65535)]
"""A port that a process without root's rights may listen on."""
Count = Annotated[int, Field(strict=True, ge=1, le=20)]

Challenge = Literal["http-01", "cloudflare", "digitalocean"]


class Gateway(Model):
    """What the gateway takes from anybody."""

    request_size: Size = Size(MIB)
    """The largest body of a request; a larger one is answered with 413."""
    requests_per_minute: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 600
    """How many requests one address may send to one route, the refused ones counted."""
    request_timeout: Annotated[int, Field(strict=True, ge=1, le=3600)] = 60
    """Seconds that a request may take to arrive, and again to be answered."""
    hsts_days: Annotated[int, Field(strict=True, ge=1, le=730)] = 365
    """For how many days a browser remembers to come by HTTPS only (RFC 6797)."""


class Certificates(Model):
    """Who makes the certificates, and how it learns that the names are ours."""

    authority: Literal["staging", "production"] = "staging"
    """Let's Encrypt's test authority, which no browser trusts, or the one with strict limits."""
    email: Email
    """The account at Let's Encrypt; it is told of certificates that are about to expire."""
    challenge: Challenge = "http-01"
    """``http-01`` asks the gateway; the others set a DNS record, with a token of that provider."""


class Jwt(Model):
    """One issuer of tokens that the API accepts."""

    issuer: HttpsUrl
    """The ``iss`` of its tokens, letter for letter."""
    audiences: Annotated[tuple[Audience, ...], Field(min_length=1, max_length=8)]
    """A token's ``aud`` must name one of these."""
    jwks: HttpsUrl
    """Where the issuer publishes its keys."""
    identity_claim: Claim = "sub"
    """The claim that tells the API who is calling; a token without it is refused."""


class Workload(Model):
    """What runs behind a name."""

    domain: DnsName
    """Its name on the internet; the name's DNS records lead to the server."""
    image: ImageReference
    """The container image, with its digest: another digest is another release."""
    port: Port = 8080
    """The port that the container listens on."""
    health_path: UrlPath = "/healthz"
    """Answers 200 as long as the process need not be restarted."""
    ready_path: UrlPath = "/readyz"
    """Answers 200 as long as requests may be sent to it."""
    replicas: Count = 2
    """How many pods at least."""
    max_replicas: Count | None = None
    """Up to how many when they are busy; none: always ``replicas``. Needs a metrics server."""


class Api(Workload):
    """The API, and whose tokens it accepts besides the keys among the stack's secrets."""

    jwt: Annotated[tuple[Jwt, ...], Field(max_length=4)] = ()
    """The issuers of tokens; with none, only API keys open the API."""


class Website(Workload):
    """The website, which is open to everybody."""

    health_path: UrlPath = "/"
    """Answers 200 as long as the process need not be restarted."""
    ready_path: UrlPath = "/"
    """Answers 200 as long as requests may be sent to it."""


class PullRegistry(Model):
    """Where the images of API and website come from."""

    server: DnsName = "ghcr.io"
    """The registry; both images begin with it."""
    user: Login
    """The account whose token is a secret of this stack."""
