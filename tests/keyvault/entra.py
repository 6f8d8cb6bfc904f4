"""Entra: the endpoints that give tokens, to machines of Azure and to federated identities."""

import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.keyvault.vault import Identity

HOST = "login.microsoftonline.com"
RESOURCE = "https://vault.azure.net"


@dataclass
class Entra:
    """Who can log in, and the tokens that were given out."""

    tenant: str
    machine: Identity | None = None
    """The managed identity of the machine that asks."""
    applications: dict[str, Identity] = field(default_factory=dict)
    """Registered applications, by their client ID."""
    federated: dict[str, str] = field(default_factory=dict)
    """The assertion, as GitHub would issue it, that each of them is known by."""
    tokens: dict[str, Identity] = field(default_factory=dict)

    def caller(self, authorization: str) -> Identity | None:
        """Return whom a request's token was given to."""
        return self.tokens.get(authorization.removeprefix("Bearer "))

    def of_machine(self, header: str | None) -> tuple[int, dict]:
        """Answer the endpoint of managed identities, as App Service has it."""
        if header != "x" or self.machine is None:
            return 400, {"statusCode": 400, "message": "No managed identity found."}
        return 200, self._given(self.machine) | {"resource": RESOURCE}

    def answer(self, method: str, path: str, body: str) -> tuple[int, dict]:
        """Answer ``login.microsoftonline.com``."""
        if "/discovery/instance" in path:
            return 200, self._instance()
        tenant = path.split("/")[1]
        if tenant != self.tenant:
            return 400, _error(90002, f"Tenant '{tenant}' not found.", "invalid_tenant")
        if path.endswith("/openid-configuration"):
            return 200, self._configuration()
        return self._token(parse_qs(body))

    def _token(self, form):
        client = form.get("client_id", [""])[0]
        if client not in self.applications:
            text = f"Application with identifier '{client}' was not found in the directory."
            return 400, _error(700016, text, "unauthorized_client")
        if form.get("client_assertion", [""])[0] != self.federated.get(client):
            text = "No matching federated identity record found for presented assertion subject."
            return 401, _error(700213, text, "invalid_client")
        return 200, self._given(self.applications[client])

    def _given(self, who):
        token = secrets.token_urlsafe(24)
        self.tokens[token] = who
        expires = str(int(time.time()) + 3600)
        return {
            "access_token": token,
            "expires_on": expires,
            "expires_in": 3600,
            "token_type": "Bearer",
        }

    def _instance(self):
        metadata = {"preferred_network": HOST, "preferred_cache": HOST, "aliases": [HOST]}
        endpoint = f"https://{HOST}/{self.tenant}/v2.0/.well-known/openid-configuration"
        return {"tenant_discovery_endpoint": endpoint, "metadata": [metadata]}

    def _configuration(self):
        base = f"https://{HOST}/{self.tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }


def _error(code, text, kind):
    return {"error": kind, "error_description": f"AADSTS{code}: {text}", "error_codes": [code]}
