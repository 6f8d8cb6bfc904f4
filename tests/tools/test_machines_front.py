"""NGINX on the KVM host: a configuration is installed, tested and loaded, or put back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ampere_infra.platform.nginx import install_script, remove_script, sudo_commands

if TYPE_CHECKING:
    from pathlib import Path

    from kvm_host import KvmHostDouble


@pytest.fixture
def web(host: KvmHostDouble) -> Path:
    """The file that is installed; nginx refuses the word ``broken`` in it."""
    conf = host.folder / "conf.d"
    conf.mkdir()
    file = conf / "c.conf"
    host.put("sudo", '#!/bin/sh\nshift\necho "$@" >>"$FAKE_HOST/rooted"\nexec "$@"\n')
    host.put("nginx", f"#!/bin/sh\n! grep -l broken {conf}/*.conf\n")
    host.put("systemctl", '#!/bin/sh\n[ -z "$FAKE_DOWN" ] && echo "$@" >>"$FAKE_HOST/reloads"\n')
    return file


def reloads(host: KvmHostDouble) -> int:
    log = host.folder / "reloads"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_configuration_is_installed_tested_and_loaded(host: KvmHostDouble, web: Path, shell: str):
    for text in ("one", "two"):
        done = host.run(install_script(str(web)), shell, stdin=text)
        assert done.returncode == 0, done.stderr
        assert web.read_text() == text
    assert web.stat().st_mode & 0o777 == 0o644
    assert [f.name for f in web.parent.iterdir()] == ["c.conf"], "nothing else is left"
    assert reloads(host) == 2


def test_a_configuration_that_nginx_refuses_is_put_back(host: KvmHostDouble, web: Path):
    web.write_text("good")
    done = host.run(install_script(str(web)), stdin="broken")
    assert done.returncode == 1
    assert "nginx refuses" in done.stderr
    assert web.read_text() == "good"
    assert [f.name for f in web.parent.iterdir()] == ["c.conf"]
    assert reloads(host) == 0


def test_a_first_configuration_that_nginx_refuses_leaves_nothing(host: KvmHostDouble, web: Path):
    assert host.run(install_script(str(web)), stdin="broken").returncode == 1
    assert not list(web.parent.iterdir())


def test_a_configuration_that_does_not_start_is_put_back(host: KvmHostDouble, web: Path):
    web.write_text("good")
    assert host.run(install_script(str(web)), stdin="new", FAKE_DOWN="yes").returncode == 1
    assert web.read_text() == "good"


def test_an_interrupted_installation_never_goes_back_to_the_untested_file(
    host: KvmHostDouble, web: Path
):
    web.write_text("broken by an interrupted run")
    assert host.run(install_script(str(web)), stdin="broken too").returncode == 1
    assert not web.exists()
    web.write_text("broken by an interrupted run")
    web.with_name("c.conf.previous").write_text("good")
    assert host.run(install_script(str(web)), stdin="broken too").returncode == 1
    assert web.read_text() == "good", "what stood there before both runs"


def test_a_configuration_is_removed_and_nginx_told(host: KvmHostDouble, web: Path):
    web.write_text("good")
    web.with_name("c.conf.new").touch()
    for _ in range(2):
        assert host.run(remove_script(str(web))).returncode == 0
    assert not list(web.parent.iterdir())
    assert reloads(host) == 2


def test_sudoers_lists_every_command_that_runs_as_root(host: KvmHostDouble, web: Path):
    for text in ("one", "two", "broken"):
        host.run(install_script(str(web)), stdin=text)
    host.run(remove_script(str(web)))
    rooted = set((host.folder / "rooted").read_text().splitlines())
    allowed = {re.sub(r"^/\S*/", "", command) for command in sudo_commands([str(web)])}
    assert rooted == allowed, "the list in docs is the list that is needed, no more and no less"
