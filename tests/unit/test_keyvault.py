"""The tests' Key Vault refuses what the real one refuses."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.keyvault.server import DEVELOPER, TENANT
from tests.keyvault.vault import (
    ALGORITHM,
    CRYPTO_USER,
    Identity,
    RefusedError,
    Vault,
    unwrapped,
    wrapped,
)

OTHER = "99999999-9999-9999-9999-999999999999"
KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def vault():
    return Vault("ampere-test", TENANT, roles={DEVELOPER.object_id: CRYPTO_USER})


@pytest.fixture
def version(vault):
    return vault.add_version("sops", KEY).rpartition("/")[2]


def ask(vault, version, operation, *, who=DEVELOPER, **body):
    parts = ["keys", "sops", version, operation]
    return vault.answer(who, "POST", parts, {"alg": ALGORITHM, "value": wrapped(b"key"), **body})


def test_what_it_encrypts_it_decrypts(vault, version):
    sealed = ask(vault, version, "encrypt")
    assert sealed["kid"] == f"{vault.url}/keys/sops/{version}"
    opened = ask(vault, version, "decrypt", value=sealed["value"])
    assert unwrapped(opened["value"]) == b"key"


def test_a_key_without_a_version_is_its_newest(vault, version):
    newest = vault.add_version("sops", KEY).rpartition("/")[2]
    shown = vault.answer(DEVELOPER, "GET", ["keys", "sops"], {})
    assert shown["key"]["kid"].endswith(newest)
    assert "d" not in shown["key"], "the private half never leaves it"
    assert vault.answer(DEVELOPER, "GET", ["keys", "sops", version], {})["key"]["kty"] == "RSA"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"alg": "RSA1_5"}, 400, "BadParameter"),
        ({"alg": "RSA-OAEP"}, 400, "BadParameter"),
        ({"value": ""}, 400, "BadParameter"),
        ({"value": wrapped(bytes(256))}, 400, "BadParameter"),
        ({"operation": "sign"}, 403, "Forbidden"),
        ({"version": "0" * 32}, 404, "KeyNotFound"),
        ({"who": Identity(TENANT, OTHER, OTHER)}, 403, "Forbidden"),
        ({"who": Identity(OTHER, DEVELOPER.object_id, OTHER)}, 401, "Unauthorized"),
    ],
)
def test_what_it_refuses(vault, version, changed, status, code):
    asked: dict[str, Any] = {"version": version, "operation": "decrypt", **changed}
    with pytest.raises(RefusedError) as caught:
        ask(vault, **asked)
    assert (caught.value.status, caught.value.body["code"]) == (status, code)


def test_a_disabled_version_encrypts_and_does_not_decrypt(vault, version):
    vault.keys["sops"][version].enabled = False
    sealed = ask(vault, version, "encrypt")
    with pytest.raises(RefusedError) as caught:
        ask(vault, version, "decrypt", value=sealed["value"])
    assert caught.value.body["innererror"] == {"code": "KeyDisabled"}
