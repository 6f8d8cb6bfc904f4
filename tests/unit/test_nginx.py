"""The NGINX front's texts."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pulumi
from machines_cases import COMMAND, Monitor, Recorder, host

from ampere_infra.machines.piped import piped
from ampere_infra.platform.nginx import (
    NginxFront,
    NginxFrontArgs,
    Site,
    http_config,
    http_path,
    install_script,
    stream_config,
    stream_path,
    sudo_commands,
)

ROOT = Path(__file__).parents[2]
SITES = (
    Site("s3", "s3.minio.local", 30900, streams=True),
    Site("airflow", "airflow.local", 30880, streams=False),
)
WORKERS = [IPv4Address("10.10.10.11"), IPv4Address("10.10.10.12")]


def test_each_name_goes_to_its_node_port_on_every_worker():
    text = http_config("ampere-k8s", SITES, WORKERS)
    for site in SITES:
        assert f"server_name {site.domain};" in text
        for worker in WORKERS:
            assert f"server {worker}:{site.port} " in text


def test_no_site_takes_the_hosts_other_sites_over():
    text = http_config("ampere-k8s", SITES, WORKERS)
    assert "default_server" not in text.split()
    assert set(re.findall(r"listen (.*);", text)) == {"80"}, (
        "an address before the port would make these sites that address's default"
    )


def test_only_object_stores_take_bodies_of_any_size_unbuffered():
    s3, airflow = http_config("c", SITES[:1], WORKERS), http_config("c", SITES[1:], WORKERS)
    assert "client_max_body_size 0;" in s3
    assert "proxy_request_buffering off;" in s3
    assert "client_max_body_size 0;" not in airflow


def test_s3_sees_the_host_that_was_signed():
    assert "proxy_set_header Host $http_host;" in http_config("c", SITES, WORKERS)


def test_without_workers_the_names_say_unavailable():
    text = http_config("c", SITES, [])
    assert "upstream" not in text, "an upstream without servers would be refused"
    assert text.count("return 503;") == len(SITES)


def test_names_carry_the_clusters_name():
    text = http_config("my-cluster", SITES, WORKERS)
    assert set(re.findall(r"upstream (\S+) {", text)) == {"my-cluster-s3", "my-cluster-airflow"}
    assert "map $http_upgrade $my_cluster_connection" in text, "a variable has no hyphens"
    assert "my-cluster" in http_path("my-cluster")
    assert "my-cluster" in stream_path("my-cluster")


def test_the_api_listens_on_the_hosts_address_and_goes_to_the_master():
    text = stream_config("c", "192.168.1.29:6443", IPv4Address("10.10.10.10"))
    assert "listen 192.168.1.29:6443;" in text
    assert "server 10.10.10.10:6443;" in text


def test_only_private_addresses_are_served():
    for text in (http_config("c", SITES, WORKERS), stream_config("c", "1:2", WORKERS[0])):
        assert text.count("deny all;") == text.count("listen ")


def test_root_is_asked_for_nothing_but_these_files_and_nginx():
    commands = sudo_commands(["/etc/nginx/conf.d/c.conf"])
    assert not [c for c in commands if "*" in c], "a wildcard in sudoers matches slashes too"
    assert all("/etc/nginx/conf.d/c.conf" in c for c in commands[:-2])


def installed(**changes: Any) -> dict[str, Any]:
    """The commands that the front asks for."""
    monitor = Monitor()
    pulumi.runtime.set_mocks(Recorder(), preview=False, monitor=monitor)

    @pulumi.runtime.test
    def program() -> None:
        given: dict[str, Any] = {"http": "the sites", "stream": "the API", **changes}
        NginxFront("front", NginxFrontArgs("c", host(), **given))

    program()
    return {request.name: request for request in monitor.requests if request.type == COMMAND}


def inputs(request: Any) -> dict[str, Any]:
    return pulumi.runtime.rpc.deserialize_properties(request.object)


def test_the_front_installs_each_file_from_stdin_and_takes_it_away():
    asked = {name: inputs(request) for name, request in installed().items()}
    for name, path, text in (
        ("front-http", http_path("c"), "the sites"),
        ("front-stream", stream_path("c"), "the API"),
    ):
        install = install_script(path)
        assert asked[name]["create"] == piped(install)
        assert asked[name]["stdin"] == install + text
        assert asked[name]["delete"].startswith(f"# ampere nginx-remove {path}\n")


def test_files_that_nginx_tests_together_are_installed_one_after_the_other():
    (before,) = installed()["front-http"].dependencies
    assert before.endswith("::front-stream")


def test_on_a_bridge_the_front_leaves_the_api_alone():
    assert installed(stream=None).keys() == {"front-http"}


def test_a_host_that_is_not_to_be_touched_is_not():
    assert not installed(apply=False)


def test_the_documented_sudoers_lines_are_those_that_are_needed():
    documented = (ROOT / "docs/machines.md").read_text(encoding="utf-8")
    paths = [http_path("ampere-k8s"), stream_path("ampere-k8s")]
    for command in sudo_commands(paths):
        assert re.search(rf"^  {re.escape(command)}(, \\)?$", documented, re.MULTILINE), command
