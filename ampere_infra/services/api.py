"""The API: its pods, its clients' keys, and the route that lets nobody in without credentials."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_kubernetes as kubernetes

from ampere_infra.platform.gateway_objects import IDENTITY_HEADER, METHOD_HEADER, limits
from ampere_infra.platform.outputs import after
from ampere_infra.platform.routes import Route, Rule
from ampere_infra.services import workload
from ampere_infra.settings.namespaces import API

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ampere_infra.platform.gateway_objects import Site
    from ampere_infra.platform.target import Target
    from ampere_infra.services.workload import Registry
    from ampere_infra.settings.edge import Api as ApiSettings
    from ampere_infra.settings.edge import Gateway, Jwt

KEY_HEADER = "x-api-key"
KEYS_SECRET = "api-clients"  # noqa: S105 - a Secret's name
UNAUTHORIZED, FORBIDDEN = 401, 403


@dataclass(frozen=True)
class ApiArgs:
    """The API and who may call it."""

    target: Target
    settings: ApiSettings
    gateway: Gateway
    """The limits that its requests have."""
    site: Site
    """Its name at the gateway; the site's namespace is the release's."""
    registry: Registry
    keys: Mapping[str, pulumi.Input[str]]
    """Each client's API key, a secret; the client's name is what the API is told. A key that comes
    or goes changes one Secret, which the gateway follows: no pod is restarted."""
    attached: Sequence[pulumi.Resource]
    """What routes come after: the PublicGateway."""


class Api(pulumi.ComponentResource):
    """The release, the Secret of keys, the route with a policy for each of its rules.

    Raises:
        ValueError: neither a key nor an issuer of tokens is there, or two clients share a key.
    """

    url: pulumi.Output[str]
    release: pulumi.Resource

    def __init__(
        self, name: str, args: ApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:services:Api", name, None, opts)
        wanted = route(args.settings, args.gateway, args.site, with_keys=bool(args.keys))
        content = workload.WorkloadArgs(API, args.target, args.settings, args.registry)
        home = workload.namespace(content, self)
        self.release = workload.release(content, home, self)
        gates = [home, self.release, *args.attached]
        if args.keys:
            gates.append(self._keys(home.ready_name, args))
        parts = workload.publish(wanted, args.target, self, gates)
        self.url = after(f"https://{args.settings.domain}", *parts)
        self.register_outputs({"url": self.url})

    def _keys(self, namespace: pulumi.Output[str], args: ApiArgs) -> pulumi.Resource:
        """Make the Secret, one entry for each client.

        It is written as ``data``: an entry that is left out of ``stringData`` stays where it is
        when objects are applied on the server's side
        (https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data), and a
        revoked key would go on opening the API.
        """
        values = {who: pulumi.Output.secret(key) for who, key in args.keys.items()}
        data = pulumi.Output.all(**values).apply(encoded)
        return kubernetes.core.v1.Secret(
            KEYS_SECRET,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=KEYS_SECRET, namespace=namespace),
            data=pulumi.Output.secret(data),
            opts=args.target.child(self),
        )


def encoded(keys: dict[str, str]) -> dict[str, str]:
    """Return the entries of the clients' Secret.

    Raises:
        ValueError: two clients share a key. The gateway would not know who is calling, and closes
            the whole route (buildAPIKeyAuth,
            https://github.com/envoyproxy/gateway/blob/v1.9.0/internal/gatewayapi/securitypolicy.go).
    """
    if len(set(keys.values())) < len(keys):
        raise ValueError("two clients of the API have the same key; give each its own")
    return {who: base64.b64encode(key.encode()).decode() for who, key in keys.items()}


def route(settings: ApiSettings, gateway: Gateway, site: Site, *, with_keys: bool) -> Route:
    """Return the API's route: a rule for keys, and one for tokens.

    A request that has the header ``x-api-key``, whatever is in it, is judged by its key alone: a
    match on one header more goes first, and a wrong key is not made good by a token. The others
    are judged by their token, those without one included. Where only one of the two is configured,
    its rule takes every request.

    Raises:
        ValueError: with neither, nobody could ever get in.
    """
    has_tokens = bool(settings.jwt)
    if not with_keys and not has_tokens:
        raise ValueError(
            "nobody could call the API: write an issuer below ampere:api.jwt, or give a client a "
            "key among the stack's secrets"
        )
    present = ({"type": "RegularExpression", "name": KEY_HEADER, "value": ".*"},)
    rules = [
        *([_rule("api-key", keys_policy(), present if has_tokens else ())] if with_keys else []),
        *([_rule("jwt", tokens_policy(settings.jwt))] if has_tokens else []),
    ]
    traffic = {**limits(gateway), "responseOverride": [_forbidden_is_unauthorized()]}
    return Route(API, API, site.listener, tuple(rules), (settings.domain,), traffic)


def _rule(
    name: str, policy: Mapping[str, Any], headers: tuple[Mapping[str, str], ...] = ()
) -> Rule:
    """Return a rule that tells the API how the client was known, and keeps both credentials."""
    change = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {
            "set": [{"name": METHOD_HEADER, "value": name}],
            "remove": [KEY_HEADER, "authorization"],
        },
    }
    return Rule(name, policy, headers, (change,), (API, workload.SERVICE_PORT))


def keys_policy() -> dict[str, Any]:
    """Return what asks for a key, and tells the API whose it is.

    See https://gateway.envoyproxy.io/v1.9/tasks/security/apikey-auth/.
    """
    return {
        "apiKeyAuth": {
            "credentialRefs": [{"kind": "Secret", "name": KEYS_SECRET}],
            "extractFrom": [{"headers": [KEY_HEADER]}],
            "forwardClientIDHeader": IDENTITY_HEADER,
            "sanitize": True,
        }
    }


def tokens_policy(providers: Sequence[Jwt]) -> dict[str, Any]:
    """Return what asks for a token of one of ``providers``.

    See https://gateway.envoyproxy.io/v1.9/tasks/security/jwt-authentication/. A token is looked for
    in ``Authorization`` alone: unless told where, Envoy also takes one from the address, which is
    logged. Envoy passes the token on, so the rule removes it. A valid token that does not say whose
    it is lets nobody in.
    """
    return {
        "jwt": {"providers": [_provider(n, each) for n, each in enumerate(providers, start=1)]},
        "authorization": {
            "defaultAction": "Deny",
            "rules": [
                {
                    "name": "identified",
                    "action": "Allow",
                    "cel": f"request.headers['{IDENTITY_HEADER}'] != ''",
                }
            ],
        },
    }


def _provider(number: int, settings: Jwt) -> dict[str, Any]:
    return {
        "name": f"issuer-{number}",
        "issuer": settings.issuer,
        "audiences": list(settings.audiences),
        "remoteJWKS": {"uri": settings.jwks},
        "extractFrom": {"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]},
        "claimToHeaders": [{"claim": settings.identity_claim, "header": IDENTITY_HEADER}],
    }


def _forbidden_is_unauthorized() -> dict[str, Any]:
    """Return what answers a token for somebody else as any other wrong one.

    Envoy's own answer to a wrong audience is 403. The API's own 403 passes as it is.
    """
    return {
        "source": "Local",
        "match": {"statusCodes": [{"type": "Value", "value": FORBIDDEN}]},
        "response": {
            "statusCode": UNAUTHORIZED,
            "contentType": "text/plain",
            "body": {"type": "Inline", "inline": "Client authentication failed."},
        },
    }
