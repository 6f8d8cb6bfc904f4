"""User-data: no secret, no chance, and a new identity only for a new machine."""

from __future__ import annotations

import base64
import gzip
import json
import re
import tomllib
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
import yaml
from bootstrap_cases import AUTHORIZED_KEY, CA_HASH, files_of, home
from jinja2 import UndefinedError

from ampere_infra.bootstrap.spec import Role
from ampere_infra.bootstrap.units import ENABLED
from ampere_infra.bootstrap.user_data import user_data
from ampere_infra.settings.home import Packages, Timeouts
from ampere_infra.templates import render

HOME = home()
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
NODES = pytest.mark.parametrize("node", [HOME.master, HOME.worker], ids=lambda node: node.role)
BIRTH_ONLY: list[dict[str, Any]] = [
    {"kubernetes": "1.37.0"},
    {"containerd": "2.4.0"},
    {"packages": Packages(image_registry="registry.local", image_registry_authority=CERTIFICATE)},
    {"timeouts": Timeouts(join=1800, control_plane=1800)},
    {"api_stable_probes": 3},
    {"token_ttl_minutes": 30},
]


@NODES
def test_the_same_settings_give_the_same_text(node: Any) -> None:
    assert HOME.born(node) == HOME.born(node)


@NODES
@pytest.mark.parametrize("change", BIRTH_ONLY, ids=lambda change: next(iter(change)))
def test_what_matters_at_birth_only_never_replaces_a_machine(
    node: Any, change: dict[str, Any]
) -> None:
    assert HOME.born(node, **change).identity == HOME.born(node).identity


@pytest.mark.parametrize("key", ["kubernetes", "containerd", "packages"])
def test_a_node_remembers_what_it_was_born_with(key: str) -> None:
    change = next(change for change in BIRTH_ONLY if key in change)
    before, after = HOME.born(HOME.worker), HOME.born(HOME.worker, **change)
    assert before.birth[key] != after.birth[key], "birth.json tells them apart"
    assert before.text != after.text, "a machine born now is born with the new one"


def test_birth_json_is_what_the_program_will_compare_with() -> None:
    born = HOME.born(HOME.worker)
    assert yaml.safe_load(files_of(born)["/etc/ampere/birth.json"]) == born.birth
    assert born.birth["user_data"] == born.identity


@pytest.mark.parametrize(
    "change",
    [{"login": "other"}, {"api_address": IPv4Address("10.10.10.99")}, {"name": "other"}],
    ids=lambda change: next(iter(change)),
)
def test_what_a_worker_is_made_of_gives_it_another_identity(change: dict[str, Any]) -> None:
    assert HOME.born(HOME.worker, **change).identity != HOME.born(HOME.worker).identity


def test_another_ca_gives_workers_another_identity_and_leaves_the_masters() -> None:
    def identity(node: Any, ca_hash: str) -> str:
        return user_data(HOME.cluster, node, AUTHORIZED_KEY, ca_hash).identity

    other = CA_HASH[:-1] + "0"
    assert identity(HOME.worker, other) != identity(HOME.worker, CA_HASH)
    assert identity(HOME.master, other) == identity(HOME.master, CA_HASH)


def test_a_setting_of_the_control_plane_leaves_workers_alone() -> None:
    changes: dict[str, Any] = {"api_names": ("elsewhere",), "dns_domain": "other.local"}
    assert HOME.born(HOME.worker, **changes) == HOME.born(HOME.worker)
    assert HOME.born(HOME.master, **changes).identity != HOME.born(HOME.master).identity


def test_a_worker_without_the_cas_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the hash of the cluster's CA"):
        user_data(HOME.cluster, HOME.worker, AUTHORIZED_KEY, None)


@NODES
def test_user_data_has_no_private_key_and_no_token_but_kubeadms_sample(node: Any) -> None:
    text = HOME.born(node).text
    assert "-----BEGIN" not in text.replace("-----BEGIN CERTIFICATE", ""), "no PEM"
    tokens = set(re.findall(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", text))
    assert tokens <= {"abcdef.0123456789abcdef"}, "no token"


@NODES
def test_only_the_key_opens_the_only_account(node: Any) -> None:
    born = HOME.born(node)
    config = yaml.safe_load(born.text)
    [user] = config["users"]
    assert user["ssh_authorized_keys"] == [AUTHORIZED_KEY]
    assert user["lock_passwd"] is True
    assert config["disable_root"] is True
    [(path, text)] = [item for item in files_of(born).items() if item[0].startswith("/etc/ssh/")]
    assert {"PasswordAuthentication no", "PermitRootLogin no"} <= set(text.splitlines())
    of_an_image = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
    assert path < of_an_image, "sshd takes the first value that it reads"


@NODES
def test_no_shell_provisions_anything(node: Any) -> None:
    config = yaml.safe_load(HOME.born(node).text)
    assert config["runcmd"] == [
        f"test ! -e {ENABLED} || systemctl daemon-reload",
        ["systemctl", "enable", "--now", "--no-block", "--no-reload", "ampere.target"],
    ], "cloud-init starts the units and does nothing else"
    assert not [path for path in files_of(HOME.born(node)) if path.endswith(".sh")]


@NODES
def test_a_node_gets_only_the_programs_parts_that_its_role_needs(node: Any) -> None:
    paths = set(files_of(HOME.born(node)))
    library = "/usr/local/lib/ampere/ampere_node"
    assert (f"{library}/worker.py" in paths) == (node.role is Role.WORKER)
    assert (f"{library}/control_plane.py" in paths) == (node.role is Role.CONTROL_PLANE)


def test_user_data_fits_a_cloud_with_a_limit_of_32_kib_when_packed() -> None:
    packed = base64.b64encode(gzip.compress(HOME.born(HOME.master).text.encode()))
    assert len(packed) < 32 * 1024, "a small cloud takes it gzipped, which cloud-init unpacks"


def test_a_machine_without_a_data_disk_has_no_mount() -> None:
    born = HOME.born(replace(HOME.master, data_device=None))
    paths = files_of(born)
    assert "/etc/systemd/system/srv-ampere.mount" not in paths
    assert "ampere-data-disk" not in paths["/etc/systemd/system/ampere.target"]


def test_a_registry_mirror_serves_every_registry() -> None:
    hosts = "/etc/containerd/certs.d/_default/hosts.toml"
    born = HOME.born(HOME.worker, packages=Packages(image_registry="registry.local"))
    assert '[host."https://registry.local"]' in files_of(born)[hosts]
    assert hosts not in files_of(HOME.born(HOME.worker))


def test_the_authority_of_a_registry_mirror_lies_where_containerd_looks_for_it() -> None:
    folder = "/etc/containerd/certs.d/_default"
    packages = Packages(image_registry="mirror.lan", image_registry_authority=CERTIFICATE)
    files = files_of(HOME.born(HOME.worker, packages=packages))
    host = tomllib.loads(files[f"{folder}/hosts.toml"])["host"]["https://mirror.lan"]
    assert files[f"{folder}/{host['ca']}"] == CERTIFICATE


def test_a_mirror_of_the_distribution_serves_its_security_updates_too() -> None:
    mirror = "http://mirror.local/ubuntu"
    packages = Packages(apt_mirror=mirror)
    apt = yaml.safe_load(HOME.born(HOME.worker, packages=packages).text)["apt"]
    assert [apt[key][0]["uri"] for key in ("primary", "security")] == [mirror, mirror]


@pytest.mark.parametrize(
    ("name", "suite", "primary", "runtime"),
    [
        (
            "ubuntu-24.04",
            "noble",
            "http://archive.ubuntu.com/ubuntu",
            "https://download.docker.com/linux/ubuntu",
        ),
        (
            "debian-13",
            "trixie",
            "http://deb.debian.org/debian",
            "https://download.docker.com/linux/debian",
        ),
    ],
)
def test_a_distribution_is_data(name: str, suite: str, primary: str, runtime: str) -> None:
    born = HOME.born(HOME.worker, distribution=name)
    source = files_of(born)["/etc/apt/sources.list.d/ampere-containerd.sources"]
    assert f"URIs: {runtime}\nSuites: {suite}\n" in source
    assert yaml.safe_load(born.text)["apt"]["primary"][0]["uri"] == primary


def test_a_mirror_of_kubernetes_may_have_a_key_of_its_own() -> None:
    key = "0123456789" * 4
    packages = Packages(kubernetes_repository="http://m.lan/k8s/", kubernetes_key=key)
    born = HOME.born(HOME.worker, packages=packages)
    known = json.loads(files_of(born)["/etc/ampere/node.json"])["keys"][0]
    assert (known["url"], known["fingerprint"]) == ("http://m.lan/k8s/Release.key", key)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("preferences.d/ampere", "Package: kubeadm kubectl kubelet\nPin: version 1.36.3-*\n"),
        (
            "sources.list.d/ampere-kubernetes.sources",
            "URIs: https://pkgs.k8s.io/core:/stable:/v1.36/deb/\nSuites: /\n",
        ),
        ("sources.list.d/ampere-containerd.sources", "Suites: noble\nComponents: stable\n"),
    ],
)
def test_packages_come_at_their_versions_from_signed_repositories(path: str, text: str) -> None:
    born = HOME.born(HOME.worker, kubernetes="1.36.3")
    assert text in files_of(born)[f"/etc/apt/{path}"]


def test_a_template_that_names_an_unknown_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("bootstrap/sshd.conf.j2")


def told_to_kubeadm(**change: Any) -> dict[str, Any]:
    file = files_of(HOME.born(HOME.master, **change))["/etc/ampere/kubeadm-init.yaml"]
    return next(yaml.safe_load_all(file))


def test_workloads_may_run_on_the_control_plane_of_a_single_node() -> None:
    usual, single = told_to_kubeadm(), told_to_kubeadm(workloads_on_control_plane=True)
    [taint] = usual["nodeRegistration"]["taints"]
    assert taint["key"] == "node-role.kubernetes.io/control-plane"
    assert single["nodeRegistration"]["taints"] == []


def test_load_balancers_may_lead_to_the_control_plane_of_a_single_node() -> None:
    usual, single = told_to_kubeadm(), told_to_kubeadm(workloads_on_control_plane=True)
    assert "mark-control-plane" not in usual["skipPhases"], (
        "it keeps them away from a home's master"
    )
    assert set(single["skipPhases"]) - set(usual["skipPhases"]) == {"mark-control-plane"}
