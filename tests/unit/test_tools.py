import re
import sys
from pathlib import Path

import pytest

from ampere_infra import tools


@pytest.fixture(autouse=True)
def forgotten():
    tools.forget()
    yield
    tools.forget()


def put(folder, name, code):
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def alone_on_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", list(tools.TOOLS))
def test_every_tool_is_pinned_by_its_module(name):
    tool = tools.TOOLS[name]
    go_mod = (tools.FOLDER / tool.module / "go.mod").read_text(encoding="utf-8")
    assert tools.pinned(tool.module, tools.MODULES[tool.module].pin).startswith("v")
    assert re.search(rf"^(tool|\t).*{re.escape(tool.package)}$", go_mod, re.MULTILINE), (
        "a tool directive makes `go get -tool` and `go mod tidy` keep all that it needs"
    )
    assert (tools.FOLDER / tool.module / "go.sum").stat().st_size, "checksums are pinned too"


def test_every_module_has_a_tool():
    assert {tool.module for tool in tools.TOOLS.values()} == set(tools.MODULES)


def test_every_pinned_version_suits_itself():
    for name, tool in tools.TOOLS.items():
        assert tools.suitable(name, tools.pinned(tool.module, tools.MODULES[tool.module].pin))


def test_both_parts_of_kubernetes_are_of_one_version():
    pins = {tools.pinned(name, "k8s.io/kubernetes") for name in ("kubernetes", "kubernetes-server")}
    assert len(pins) == 1, "what kubeadm sets up is what it was made for"


def test_what_only_the_test_machines_run_is_built_when_it_is_named():
    usual = tools.usual()
    assert {"pulumi", "sops", "kubeadm", "kubectl"} <= set(usual)
    assert not {"kube-apiserver", "kubelet", "etcd", "kwok", "coredns", "containerd", "ctr"} & set(
        usual
    )


@pytest.mark.parametrize(
    ("name", "printed", "suits"),
    [
        ("pulumi", "v3.225.0", True),
        ("pulumi", "v3.224.9", False),
        ("pulumi", "v3.300.1-alpha.12", True),
        ("pulumi", "v4.0.0", False),
        ("sops", "sops 3.13.3 (latest)", True),
        ("sops", "sops 3.9.4\n\n[info] a new version of sops (3.13.3) is available", False),
        ("age", "(unknown)", False),
        ("helm", "v3.19.2+g8766e71", True),
        ("helm", "v4.0.1+g12500dd", False),
        ("kubectl", "Client Version: v1.36.0\nKustomize Version: v5.8.1", True),
        ("kubectl", "Client Version: v1.32.4-dispatcher", False),
        ("kubectl", "Client Version: v1.37.0", False),
        ("kubeconform", "development", False),
        ("etcd", "etcd Version: 3.7.3\nGit SHA: Not provided", True),
        ("kwok", "kwok version v0.8.0 go1.26.8 (linux/amd64)", True),
        ("coredns", "CoreDNS-1.14.2\nlinux/amd64, go1.26.8,", True),
        (
            "containerd",
            "containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da",
            False,
        ),
        ("containerd", "containerd github.com/containerd/containerd/v2 v2.3.6", True),
        ("containerd-shim-runc-v2", "containerd-shim-runc-v2:\n  Version:  v2.3.6", True),
        ("crictl", "crictl version v1.36.0", True),
    ],
)
def test_a_version_on_path_suits_from_its_floor_on(name, printed, suits):
    assert tools.suitable(name, printed) is suits


def test_a_suitable_program_on_path_is_taken(alone_on_path):
    program = put(alone_on_path, "pulumi", "print('v3.230.0')")
    assert tools.path("pulumi") == program


@pytest.mark.parametrize(
    "code", ["print('v3.1.0')", "raise SystemExit('broken')", "import time; time.sleep(6000)"]
)
def test_a_program_that_does_not_suit_is_passed_over(alone_on_path, monkeypatch, code):
    put(alone_on_path, "pulumi", code)
    monkeypatch.setattr(tools, "PROBE_SECONDS", 0.3)
    with pytest.raises(tools.BuildError, match="no `go` on PATH"):
        tools.path("pulumi")


def test_a_program_that_is_set_wins_over_path(alone_on_path, monkeypatch, tmp_path):
    put(alone_on_path, "sops", "print('sops 3.13.3')")
    (tmp_path / "mine").mkdir()
    mine = put(tmp_path / "mine", "my-sops", "print('sops 3.12.0')")
    monkeypatch.setenv("AMPERE_SOPS", str(mine))
    assert tools.path("sops") == mine


def test_a_setting_that_names_no_program_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("AMPERE_AGE_KEYGEN", str(tmp_path / "missing"))
    with pytest.raises(tools.BuildError, match=r"AMPERE_AGE_KEYGEN names .*missing, and no"):
        tools.path("age-keygen")


def test_a_program_that_is_set_and_too_old_is_told_with_the_floor(monkeypatch, tmp_path):
    monkeypatch.setenv("AMPERE_SOPS", str(put(tmp_path, "sops", "print('sops 3.7.3 (latest)')")))
    with pytest.raises(tools.BuildError, match=r"version 3\.7\.3, and sops 3\.11\.0 or newer"):
        tools.path("sops")


def test_a_program_on_path_that_is_too_old_is_named_where_none_can_be_built(alone_on_path):
    put(alone_on_path, "sops", "print('sops 3.9.4')")
    with pytest.raises(tools.BuildError, match=r"does not do: it is version 3\.9\.4.*no `go`"):
        tools.path("sops")


@pytest.mark.usefixtures("alone_on_path")
def test_without_go_the_error_says_what_to_install():
    with pytest.raises(tools.BuildError) as caught:
        tools.path("sops")
    text = str(caught.value)
    assert "sops v3.13" in text, "which tool, in which version"
    assert "https://go.dev/dl/" in text, "where Go comes from"


def test_all_tools_of_a_module_are_built_together(monkeypatch, alone_on_path):
    seen = []

    def built(build, report):
        seen.append(build)
        return Path("cache")

    monkeypatch.setattr(tools, "built", built)
    suffix = ".exe" if sys.platform == "win32" else ""
    assert tools.path("age-keygen") == Path(f"cache/age-keygen{suffix}")
    assert [package.rpartition("/")[2] for package in seen[0].packages] == ["age", "age-keygen"]


def test_the_pinned_tool_is_taken_whatever_is_on_path_where_only_it_will_do(
    monkeypatch, alone_on_path
):
    put(alone_on_path, "etcd", "print('etcd Version: 3.7.9')")
    monkeypatch.setattr(tools, "built", lambda build, report: Path("cache"))
    suffix = ".exe" if sys.platform == "win32" else ""
    assert tools.path("etcd") == alone_on_path / "etcd"
    assert tools.own("etcd") == Path(f"cache/server{suffix}"), "Go leaves the major version out"


@pytest.mark.usefixtures("alone_on_path")
def test_helm_is_told_which_kubernetes_it_belongs_to(monkeypatch):
    seen = []

    def built(build, report):
        seen.append(build)
        return Path("cache")

    monkeypatch.setattr(tools, "built", built)
    tools.path("helm")
    for package in ("chartutil", "lint/rules"):
        wanted = f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMinor=36"
        assert wanted in seen[0].ldflags, "else it takes every cluster for 1.20"
