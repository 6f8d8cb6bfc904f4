"""Secrets as they lie in etcd: read past the API server, none stands there in clear."""

from __future__ import annotations

import base64

import pytest

from tests.services.conftest import home_on

PREFIX = "/registry/secrets/"


@pytest.fixture(scope="module")
def up(cluster):
    with home_on(cluster) as home:
        done = home.stage.engine.up()
        assert done.ok, done.output
        yield home


def test_every_secret_is_encrypted(up):
    stored = up.cluster.stored(PREFIX)
    assert len(stored) > 10, "the program's own, and Helm's records"
    for key, value in stored.items():
        assert value.startswith(b"k8s:enc:secretbox:v1:key-1:"), key


def test_no_secret_of_the_program_stands_in_etcd_in_clear(up):
    values = [value.encode() for value in up.stage.project.secrets.values()]
    assert values, "there are secrets to look for"
    whole = b"".join(up.cluster.stored("/").values())
    assert len(whole) > 100_000, "this is all that etcd holds"
    for value in values:
        assert value not in whole
        assert base64.b64encode(value) not in whole


def test_the_api_server_gives_them_to_who_may_read_them(up):
    secret = up.cluster.api.get("/api/v1/namespaces/minio/secrets/minio-root")
    password = base64.b64decode(secret["data"]["rootPassword"]).decode()
    assert password == up.stage.project.secrets["minio_root_password"]
