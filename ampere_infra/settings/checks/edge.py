"""Checks of what the internet sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import repeated, wrong
from ampere_infra.settings.types import GIB, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.edge import Workload
    from ampere_infra.settings.mistakes import Mistake

_LARGEST_REQUEST = Size(GIB)
"""The gateway holds a whole request in memory before it passes it on."""
_EXAMPLES = re.compile(r"(?:^|\.)(?:example(?:\.com|\.net|\.org)?|test|invalid|localhost|local)$")
"""Names that nobody can own (RFC 2606, RFC 6761, RFC 6762): no authority certifies one."""
_RESERVED_MAIL = re.compile(r"@(?:.*\.)?(?:example(?:\.com|\.net|\.org)?|test|invalid|local)$")


def _workloads(s: ApiSettings) -> Iterator[tuple[str, Workload]]:
    for name in ("api", "website"):
        if hasattr(s, name):
            yield name, getattr(s, name)


def names_differ(s: ApiSettings) -> Iterator[Mistake]:
    """Each name leads to one workload."""
    yield from repeated(
        ((name, "domain"), workload.domain)
        for name, workload in _workloads(s)
        if hasattr(workload, "domain")
    )


def names_can_be_certified(s: ApiSettings) -> Iterator[Mistake]:
    """A public authority certifies names of the public DNS only."""
    for name, workload in _workloads(s):
        domain = getattr(workload, "domain", "")
        if domain and ("." not in domain or _EXAMPLES.search(domain)):
            yield wrong(domain, "is no public name; write one of a domain of yours", name, "domain")


def names_are_outside(s: ApiSettings) -> Iterator[Mistake]:
    """The cluster's own DNS does not claim a name that others ask for."""
    inside = s.cluster.dns_domain
    for name, workload in _workloads(s):
        domain = getattr(workload, "domain", "")
        if f".{domain}".endswith(f".{inside}"):
            remedy = f"is inside ampere:cluster.dns_domain {inside}, which only pods can ask"
            yield wrong(domain, remedy, name, "domain")


def mail_can_arrive(s: ApiSettings) -> Iterator[Mistake]:
    """Let's Encrypt refuses an account with an address that nobody can have."""
    if _RESERVED_MAIL.search(s.certificates.email):
        remedy = "is an address that nobody can have; Let's Encrypt refuses it"
        yield wrong(s.certificates.email, remedy, "certificates", "email")


def images_are_of_the_registry(s: ApiSettings) -> Iterator[Mistake]:
    """The token of the registry opens no other one."""
    server = s.registry.server
    for name, workload in _workloads(s):
        image = getattr(workload, "image", f"{server}/")
        if not image.startswith(f"{server}/"):
            remedy = f"is not of ampere:registry.server {server}, whose token pods pull with"
            yield wrong(image, remedy, name, "image")


def pods_can_grow(s: ApiSettings) -> Iterator[Mistake]:
    """The most pods are more than the least."""
    for name, workload in _workloads(s):
        least, most = getattr(workload, "replicas", 1), getattr(workload, "max_replicas", None)
        if most is not None and most <= least:
            remedy = f"is not more than replicas {least}; write more, or leave it out"
            yield wrong(most, remedy, name, "max_replicas")


def requests_fit_into_memory(s: ApiSettings) -> Iterator[Mistake]:
    """A request is held whole before it is passed on."""
    size = s.gateway.request_size
    if size > _LARGEST_REQUEST:
        remedy = f"is too much to hold in memory; use at most {_LARGEST_REQUEST}"
        yield wrong(size, remedy, "gateway", "request_size")


def issuers_differ(s: ApiSettings) -> Iterator[Mistake]:
    """A token's issuer leads to one set of keys."""
    yield from repeated(
        (("api", "jwt", index, "issuer"), provider.issuer)
        for index, provider in enumerate(s.api.jwt)
        if hasattr(provider, "issuer")
    )


def keys_are_not_behind_the_api(s: ApiSettings) -> Iterator[Mistake]:
    """An issuer does not publish its keys where only its own tokens lead."""
    for index, provider in enumerate(s.api.jwt):
        if provider.jwks.startswith(f"https://{s.api.domain}/"):
            remedy = "is behind the API itself, which answers nobody without these keys"
            yield wrong(provider.jwks, remedy, "api", "jwt", index, "jwks")


CHECKS = (
    names_differ,
    names_can_be_certified,
    names_are_outside,
    mail_can_arrive,
    images_are_of_the_registry,
    pods_can_grow,
    requests_fit_into_memory,
    issuers_differ,
    keys_are_not_behind_the_api,
)
