"""Secrets as they lie in etcd: read past the API server, none stands there in clear."""

from __future__ import annotations

import base64
import json

import pytest

from ampere_infra.bootstrap.api_server import ENCRYPTION
from ampere_infra.rehearsal.leaks import Canary, canaries, search
from tests.engine.stack_secrets import stack_secrets
from tests.services.conftest import home_on

PREFIX = "/registry/secrets/"
BACKUP = {"endpoint": "https://s3.example.com", "bucket": "copies"}
KEY = "the key that all are encrypted with"
MADE = {
    *("backup-user.result", "ampere-k8s-encryption-key-1.result", KEY),
    *(f"barman-cloud-{end}-key.privateKeyPem" for end in ("client", "server")),
}
"""What nobody gave to the stack, or to this API server."""


@pytest.fixture(scope="module")
def up(cluster):
    with home_on(cluster) as home:
        home.settle(services={"backup": BACKUP})
        done = home.stage.engine.up()
        assert done.ok, done.output
        yield home


def key_of(cluster) -> str:
    """Return what this API server encrypts with, in base64."""
    config = json.loads(cluster.given.files[ENCRYPTION])
    ((provider, *_),) = [each["providers"] for each in config["resources"]]
    ((key,),) = [each["keys"] for each in provider.values()]
    return key["secret"]


@pytest.fixture(scope="module")
def sought(up) -> list[Canary]:
    """All secrets that the stack has, and the key that they are encrypted with."""
    found = list(stack_secrets(up.stage, up.stage.engine.export(show_secrets=True)))
    return [*found, *canaries(KEY, key_of(up.cluster))]


def test_every_secret_is_encrypted(up):
    stored = up.cluster.stored(PREFIX)
    assert len(stored) > 10, "the program's own, and Helm's records"
    for key, value in stored.items():
        assert value.startswith(b"k8s:enc:secretbox:v1:key-1:"), key


def test_all_secrets_of_the_stack_are_looked_for(up, sought):
    names = {each.name for each in sought}
    assert names >= up.stage.project.secrets.keys(), "those that it was given"
    assert names >= MADE


def test_no_secret_of_the_stack_stands_in_etcd_in_clear(up, sought):
    stored = up.cluster.stored("/")
    assert sum(map(len, stored.values())) > 100_000, "this is all that etcd holds"
    assert [find for key, value in stored.items() for find in search(key, value, sought)] == []
    raw = base64.b64decode(key_of(up.cluster))
    assert not any(raw in value for value in stored.values())


def test_a_secret_that_stood_there_would_be_found(up, sought):
    metadata = {"name": "careless", "namespace": "default"}
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    texts = {f"n{n}": f"{n * 'x'}{each.text}" for n, each in enumerate(sought)}
    spelled = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    up.cluster.api.apply({**thing, "data": spelled}, "tests")
    (value,) = up.cluster.stored("/registry/configmaps/default/careless").values()
    found = {find.canary for find in search("etcd", value, sought)}
    up.cluster.api.delete(thing)
    assert found == {each.name for each in sought}


def test_the_api_server_gives_them_to_who_may_read_them(up):
    secret = up.cluster.api.get("/api/v1/namespaces/minio/secrets/minio-root")
    password = base64.b64decode(secret["data"]["rootPassword"]).decode()
    assert password == up.stage.project.secrets["minio_root_password"]
