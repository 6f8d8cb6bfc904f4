"""The public side of a cluster against the engine's mocks, for tests to look at."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
from home_cluster import ROOT, Recorder, canary, plain, watch_order
from pydantic import SecretStr

from ampere_infra.platform.target import Target
from ampere_infra.secrets.model import ApiSecrets
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.load import read_stack_file
from ampere_infra.settings.quotas import allowances
from ampere_infra.stacks import api_specs
from ampere_infra.stacks.api_services import PublicSideArgs, public_side

DIGEST = "sha256:" + "0123456789abcdef" * 4
API_DOMAIN = "api.ampere-data.eu"
WEBSITE_DOMAIN = "www.ampere-data.eu"
ISSUER = "https://login.ampere-data.eu/"
AUDIENCE = "ampere-api"
STRONG = "0123456789abcdefghijklmnopqrs"
KEYS = {client: f"canary-{client}-{STRONG}" for client in ("acme", "mobile")}
NODE = IPv4Address("203.0.113.10")


DOCUMENT: dict[str, Any] = {
    name.removeprefix("ampere:"): section
    for name, section in read_stack_file(ROOT / "Pulumi.api.yaml").items()
}
DOCUMENT["api"]["jwt"] = [
    {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "jwks": "https://login.ampere-data.eu/.well-known/jwks.json",
    }
]
PODS = IPv4Network(DOCUMENT["cluster"]["pod_network"])


def settings(**sections: dict[str, Any]) -> ApiSettings:
    """The api stack's settings and an issuer of tokens, with ``sections`` laid over theirs."""
    document = {name: {**DOCUMENT.get(name, {}), **sections.get(name, {})} for name in DOCUMENT}
    document |= {name: section for name, section in sections.items() if name not in DOCUMENT}
    return ApiSettings.model_validate(document)


def target(chosen: ApiSettings) -> Target:
    addresses = Addresses(api=IPv4Network(NODE), nodes=IPv4Network(NODE), pods=PODS)
    return Target(
        traffic=traffic(api_specs.rows(chosen), addresses),
        release_timeout=900,
        allowances=allowances(chosen),
        charts=Path("charts"),
    )


def secrets(keys: dict[str, str]) -> ApiSecrets:
    """What the public side is given of the stack's secrets, the clients' ``keys`` among them."""
    listed = ",".join(f"{client}={key}" for client, key in keys.items())
    given = {"registry_pull_token": canary("pull"), "api_keys": listed, "dns_token": canary("dns")}
    shut = {name: SecretStr(value) for name, value in given.items()}
    return ApiSecrets.model_construct(None, **shut)


def deploy(chosen: ApiSettings, keys: dict[str, str]) -> None:
    """Ask for the whole public side, as the stack does."""
    given = secrets(keys)
    token = api_specs.dns_token(chosen, given)
    args = PublicSideArgs(chosen, given, token, target(chosen), str(NODE))
    public_side(args, pulumi.ResourceOptions())


def record(chosen: ApiSettings, keys: dict[str, str] | None = None) -> Recorder:
    """Run the program against the mocks, as an update and not as a preview."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="ampere", stack="api", preview=False)
    watch_order(recorder)

    @pulumi.runtime.test
    def program() -> None:
        deploy(chosen, KEYS if keys is None else keys)

    program()
    return recorder


@functools.cache
def recorded() -> Recorder:
    """What the sample settings ask for."""
    return record(settings())


def custom_objects(recorder: Recorder) -> list[dict[str, Any]]:
    """The objects of kinds that the SDK has no classes for, as they are applied."""
    fields = ("apiVersion", "kind", "metadata", "spec")
    return [
        {field: plain(asked.inputs[field]) for field in fields}
        for asked in recorder.asked
        if "apiVersion" in asked.inputs and "spec" in asked.inputs and _is_custom(asked.type)
    ]


def _is_custom(token: str) -> bool:
    group = token.split(":")[1].partition("/")[0]
    return group.startswith(("gateway.", "cert-manager.io", "cilium.io"))
