"""Settings that are right: the real ones, and what a person may make of them."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest
from settings_cases import STACK_FILE, as_the_engine_hands_it, mistakes_of, patched, real

from ampere_infra.settings import load
from ampere_infra.settings.home import HomeSettings
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.sizes import GIB

LAN = {
    "ampere:network": {
        "mode": "bridge",
        "bridge": "br0",
        "subnet": "192.168.1.0/24",
        "gateway": "192.168.1.1",
    },
    "ampere:control_plane": {"address": "192.168.1.40"},
    "ampere:workers": {
        "machines": {index: {"address": f"192.168.1.{41 + index}"} for index in range(3)}
    },
}

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def workers(count):
    """Settings with ``count`` workers."""
    config = real()
    size = config["ampere:workers"]["machines"][0]
    config["ampere:workers"]["machines"] = [
        {**size, "name": f"ampere-k8s-node{number}", "address": f"10.10.10.{100 + number}"}
        for number in range(1, count + 1)
    ]
    config["ampere:services"]["postgresql"] = {"instances": min(2, count)}
    return config


def test_the_real_file_is_right_and_holds_the_real_topology():
    settings = load.parse("home", load.read_stack_file(STACK_FILE))
    assert [machine.name for machine in settings.workers.machines] == [
        "ampere-k8s-node1",
        "ampere-k8s-node2",
        "ampere-k8s-node3",
    ]
    assert settings.control_plane.name == "ampere-k8s-master"
    assert (settings.host.user, settings.host.name) == ("oppie", "oppie-server")
    assert settings.host.address == IPv4Address("192.168.1.29")
    assert settings.cluster.login == "ampere"


def test_the_engine_and_the_file_lead_to_the_same_settings():
    config = load.read_stack_file(STACK_FILE)
    assert load.parse("home", as_the_engine_hands_it(config)) == load.parse("home", config)


def test_settings_come_from_the_running_engine(monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(as_the_engine_hands_it(real())))
    assert load.from_engine("home") == load.parse("home", real())


def test_a_secret_of_the_engine_is_refused_without_its_value(monkeypatch):
    config = as_the_engine_hands_it(real()) | {"ampere:storage": "hunter2"}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["ampere:storage"]))
    with pytest.raises(SettingsError) as raised:
        load.from_engine("home")
    assert "is encrypted by Pulumi" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_behind_nat_the_api_answers_on_the_host():
    settings = load.parse("home", real())
    assert settings.api_endpoint == settings.host.address


def test_nodes_may_be_on_the_lan_by_a_bridge():
    settings = load.parse("home", patched(LAN))
    assert settings.api_endpoint == settings.control_plane.address == IPv4Address("192.168.1.40")


@pytest.mark.parametrize("count", [1, 3, 30, 100])
def test_there_may_be_any_number_of_workers(count):
    settings = load.parse("home", workers(count))
    assert len(settings.workers.machines) == count


def test_a_hundred_workers_with_mistakes_are_each_told_theirs():
    config = workers(100)
    for machine in config["ampere:workers"]["machines"]:
        machine["memory"] = "6GB"
        machine["address"] = "10.10.10.10"
    assert len(mistakes_of(config)) == 200


@pytest.mark.parametrize(
    "patch",
    [
        {"ampere:cluster": {"pod_network": "10.128.0.0/9"}},
        {"ampere:cluster": {"pod_network": "100.64.0.0/16", "service_network": "172.16.0.0/12"}},
        {"ampere:bootstrap": {"packages": {"image_registry": "mirror.lan:5000"}}},
        {
            "ampere:bootstrap": {
                "packages": {
                    "image_registry": "mirror.lan",
                    "image_registry_authority": CERTIFICATE,
                }
            }
        },
        {"ampere:bootstrap": {"packages": {"apt_mirror": "https://mirror.lan:8443/ubuntu"}}},
        {"ampere:bootstrap": {"packages": {"kubernetes_repository": "http://m.lan/v1.36/deb/"}}},
        {"ampere:bootstrap": {"packages": {"containerd_repository": "http://m.lan/docker"}}},
        {"ampere:bootstrap": {"packages": {"containerd_key": "0" * 40}}},
        {"ampere:image": {"distribution": "debian-13"}},
        {"ampere:control_plane": {"protect": False, "memory": "4096MiB"}},
        {"ampere:workers": {"on_user_data_change": "refuse"}},
        {"ampere:host": {"private_key_file": r"C:\Users\me\.ssh\id_ed25519"}},
        {"ampere:storage": {"pool_path": "/srv/ampere"}},
        {"ampere:services": {"postgresql": {"instances": 1}}},
        {"pulumi:disable-default-providers": ["*"]},
    ],
    ids=str,
)
def test_what_a_person_may_want_is_accepted(patch):
    assert mistakes_of(patched(patch)) == []


def test_sizes_are_bytes_and_read_back_as_written():
    worker = load.parse("home", real()).workers.machines[0]
    assert (worker.memory, str(worker.memory), worker.memory.mebibytes) == (6 * GIB, "6GiB", 6144)


def test_settings_written_out_are_the_settings_again():
    settings = load.parse("home", real())
    assert HomeSettings.model_validate(settings.model_dump(mode="json")) == settings


def test_an_unknown_stack_is_told_those_that_are_known():
    with pytest.raises(SettingsError, match=r"stack: 'hmoe': is no stack .* known are: home"):
        load.parse("hmoe", {})


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "Pulumi.home.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + STACK_FILE.read_bytes())
    assert load.parse("home", load.read_stack_file(path)) == load.parse("home", real())


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff\xfec\x00o\x00n\x00", "Pulumi.home.yaml:1: is not UTF-8; save the file as UTF-8"),
        (b"config:\n  a: \xe9\n", "Pulumi.home.yaml:2: is not UTF-8; save the file as UTF-8"),
        (b"\x7fELF\x00\x00", "Pulumi.home.yaml:1: holds a control character; remove it"),
        (b"#" * 2**21, "Pulumi.home.yaml: is larger than 1MiB, which no stack file is"),
        (b"[" * 500, "Pulumi.home.yaml: is nested too deeply to be a stack file"),
        (b'a: "\\UFFFFFFFF"', "Pulumi.home.yaml: holds an escape or a directive that is no YAML"),
    ],
    ids=["utf-16", "latin-1", "binary", "huge", "deep", "escape"],
)
def test_a_file_that_is_no_yaml_is_a_mistake(data, told, tmp_path):
    path = tmp_path / "Pulumi.home.yaml"
    path.write_bytes(data)
    with pytest.raises(SettingsError) as raised:
        load.read_stack_file(path)
    assert str(raised.value) == told


def test_a_file_that_is_not_there_or_a_folder_is_a_mistake(tmp_path):
    with pytest.raises(SettingsError, match="is not there; run this in the project's folder"):
        load.read_stack_file(tmp_path / "Pulumi.home.yaml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load.read_stack_file(tmp_path)


def test_workers_may_share_what_an_anchor_holds(tmp_path):
    text = STACK_FILE.read_text(encoding="utf-8")
    lines = [
        "      - &worker",
        "        {name: ampere-k8s-node1, address: 10.10.10.11, vcpu: 2, memory: 6GiB,",
        "         root_disk: 40GiB, data_disk: 80GiB}",
        "      - {<<: *worker, name: ampere-k8s-node2, address: 10.10.10.12}",
    ]
    before, _, rest = text.partition("    machines:\n")
    after = rest[rest.index("\n  ampere:") :]
    path = tmp_path / "Pulumi.home.yaml"
    path.write_text(before + "    machines:\n" + "\n".join(lines) + after, encoding="utf-8")
    settings = load.parse("home", load.read_stack_file(path))
    assert [machine.memory for machine in settings.workers.machines] == [6 * GIB, 6 * GIB]
