"""What a node is born with for a tailnet, and what it is told to join one."""

from __future__ import annotations

import json
from dataclasses import replace

import pulumi
import pytest
import yaml
from bootstrap_cases import AUTHORIZED_KEY, files_of, home

from ampere_infra.bootstrap.packages import tailscale_source
from ampere_infra.bootstrap.spec import Tailnet
from ampere_infra.bootstrap.tailnet import Membership, instructions, with_options
from ampere_infra.bootstrap.user_data import UserData, user_data

TAILNET = Tailnet(
    name="ampere-api.tail1a2b3.ts.net",
    version="1.86.2",
    repository="https://pkgs.tailscale.com/stable",
    key="2596A99EAAB33821893C0A79458CA832957F5868",
)
SOURCE = "/etc/apt/sources.list.d/ampere-tailscale.sources"
PROGRAM = "/usr/local/sbin/ampere-tailnet"


def born(*, may: bool = True, tailnet: Tailnet | None = TAILNET) -> UserData:
    cluster = replace(home().cluster, may_join_tailnet=may, tailnet=tailnet)
    return user_data(cluster, home().master, AUTHORIZED_KEY, None)


def test_a_node_of_a_tailnet_is_born_with_the_package_by_the_pinned_key():
    files = files_of(born())
    known = json.loads(files["/etc/ampere/node.json"])
    assert known["packages"]["tailscale"] == "1.86.2", "exactly, and so held"
    assert TAILNET.key in [key["fingerprint"] for key in known["keys"]]
    assert "URIs: https://pkgs.tailscale.com/stable/ubuntu\nSuites: noble" in files[SOURCE]
    assert "Package: tailscale\nPin: version 1.86.2\n" in files["/etc/apt/preferences.d/ampere"]


def test_the_apis_first_certificate_names_the_node_as_the_tailnet_does():
    documents = yaml.safe_load_all(files_of(born())["/etc/ampere/kubeadm-init.yaml"])
    cluster = next(one for one in documents if one["kind"] == "ClusterConfiguration")
    assert TAILNET.name in cluster["apiServer"]["certSANs"]


def test_a_node_that_may_join_later_has_the_program_and_no_package():
    files = files_of(born(tailnet=None))
    assert PROGRAM in files
    assert SOURCE not in files
    assert "tailscale" not in files["/etc/ampere/node.json"]


def test_a_node_of_another_cluster_has_neither():
    files = files_of(born(may=False, tailnet=None))
    assert not [path for path in files if "tailnet" in path or "tailscale" in path]


def test_joining_and_leaving_never_replaces_a_machine():
    assert born().identity == born(tailnet=None).identity


@pytest.mark.parametrize(
    ("distribution", "uri"),
    [("ubuntu-24.04", "stable/ubuntu"), ("debian-13", "stable/debian")],
)
def test_the_repository_and_its_key_are_those_of_the_distribution(distribution: str, uri: str):
    source = tailscale_source(distribution, TAILNET)
    assert source.uri.endswith(uri)
    assert source.key_url == f"{source.uri}/{source.suite}.asc"


def test_a_running_node_is_told_the_same_repository_as_one_that_is_born():
    key = pulumi.Output.secret("tskey-auth-a-b")
    wanted = Membership(TAILNET, "ubuntu-24.04", key, ("tag:a",), ephemeral=False, timeout=60)
    told = instructions("ampere-api", wanted)
    files = files_of(born())
    assert told["files"] == {SOURCE: files[SOURCE]}
    assert told["key"] in json.loads(files["/etc/ampere/node.json"])["keys"]


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("tskey-auth-a-b", "tskey-auth-a-b"),
        ("tskey-client-a-b", "tskey-client-a-b?ephemeral=true&preauthorized=true"),
    ],
)
def test_an_oauth_clients_secret_says_what_the_node_is_to_be(key: str, given: str):
    assert with_options(key, ephemeral=True) == given
    assert with_options(key, ephemeral=False) == given.replace("=true&", "=false&")
