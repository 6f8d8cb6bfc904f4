"""JSON Web Tokens: signed as an issuer signs them, and verified as Envoy's filter verifies them."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

NOW = 1_800_000_000
CLOCK_SKEW = 60
"""Seconds that Envoy forgives by default
(https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto)."""
_HALF = 32
"""Bytes of each half of an ES256 signature (RFC 7518, section 3.4)."""


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(content: dict[str, Any]) -> str:
    return _text(json.dumps(content).encode())


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """A key of that name, the same one each time."""
    del name
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(claims: dict[str, Any], key: Any = None, *, kid: str = "ec") -> str:
    """``claims`` with a signature by ``key``, by default the issuer's own of that ``kid``."""
    key = key or (rsa_key() if kid == "rsa" else ec_key("issuer"))
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    body = f"{_part({'alg': 'RS256' if is_rsa else 'ES256', 'kid': kid})}.{_part(claims)}"
    if is_rsa:
        signature = key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = utils.decode_dss_signature(key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_HALF) + s.to_bytes(_HALF)
    return f"{body}.{_text(signature)}"


def unsigned(claims: dict[str, Any]) -> str:
    """``claims`` that say they need no signature."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """``claims`` with an HMAC whose key is the issuer's public one, which everybody has."""
    public = rsa_key().public_key()
    known = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(claims)}"
    return f"{body}.{_text(hmac.new(known, body.encode(), hashlib.sha256).digest())}"


def published_by(name: str) -> dict[str, str]:
    """The public half of ``ec_key(name)``, as a key set has it (RFC 7517)."""
    point = ec_key(name).public_key().public_numbers()
    halves = {"x": point.x, "y": point.y}
    texts = {half: _text(number.to_bytes(_HALF)) for half, number in halves.items()}
    return {"kid": "ec", "kty": "EC", "alg": "ES256", **texts}


def published() -> list[dict[str, str]]:
    """The issuer's key set."""
    number = rsa_key().public_key().public_numbers()
    return [
        published_by("issuer"),
        {
            "kid": "rsa",
            "kty": "RSA",
            "alg": "RS256",
            "n": _text(number.n.to_bytes(256)),
            "e": _text(number.e.to_bytes(3)),
        },
    ]


@dataclass(frozen=True)
class Verdict:
    """What became of a token: its claims, or the status that the request is answered with."""

    status: int
    claims: dict[str, Any]


def verify(token: str, provider: dict[str, Any], keys: list[dict[str, str]]) -> Verdict:
    """Judge ``token`` as ``envoy.filters.http.jwt_authn`` does, in its order.

    Form, issuer, time, audience, signature; each failure is 401 but for the audience's, 403
    (https://github.com/envoyproxy/envoy/tree/main/source/extensions/filters/http/jwt_authn:
    authenticator.cc, filter.cc). A token's algorithm must be that of a published key with its kid
    (https://github.com/envoyproxy/envoy/blob/main/source/extensions/filters/http/jwt_authn/README.md).
    """
    refused = Verdict(401, {})
    try:
        header, body, signature = token.split(".")
        head, claims = json.loads(_bytes(header)), json.loads(_bytes(body))
        mark = _bytes(signature)
    except ValueError:
        return refused
    if claims.get("iss") != provider["issuer"]:
        return refused
    if claims.get("exp", NOW) + CLOCK_SKEW < NOW or claims.get("nbf", 0) > NOW + CLOCK_SKEW:
        return refused
    named = claims.get("aud", [])
    if (
        not {named} & set(provider["audiences"])
        if isinstance(named, str)
        else not (set(named) & set(provider["audiences"]))
    ):
        return Verdict(403, {})
    fitting = [k for k in keys if k["alg"] == head.get("alg") and k["kid"] == head.get("kid")]
    if any(_is_signed(f"{header}.{body}".encode(), mark, key) for key in fitting):
        return Verdict(200, claims)
    return refused


def _is_signed(body: bytes, signature: bytes, key: dict[str, str]) -> bool:
    def number(name: str) -> int:
        return int.from_bytes(_bytes(key[name]))

    try:
        if key["kty"] == "EC":
            halves = (signature[:_HALF], signature[_HALF:])
            mark = utils.encode_dss_signature(*(int.from_bytes(half) for half in halves))
            point = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1())
            point.public_key().verify(mark, body, ec.ECDSA(hashes.SHA256()))
        else:
            public = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
            public.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
