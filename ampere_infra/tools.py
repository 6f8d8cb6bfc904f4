"""The programs that the project runs: set, found on PATH or in the user's cache, or built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ampere_infra.go_build import Build, BuildError, Report, built

FOLDER = Path(__file__).parent.parent / "tools"
PROBE_SECONDS = 20

__all__ = ["TOOLS", "BuildError", "Tool", "forget", "own", "path", "pinned", "usual"]


@dataclass(frozen=True)
class Module:
    """One folder of ``tools/``: a Go module that pins what its tools are built from."""

    pin: str
    """The required module whose version is the tools' version."""
    minutes: float
    ldflags: str = ""
    """``{version}`` and ``{minor}`` stand for the pin's version and its minor part;
    ``{kubernetes}`` for the minor version of the pinned Kubernetes."""
    tags: str = ""
    on_request: bool = False
    """Whether only the test machines run its tools: they are built when somebody names them."""


@dataclass(frozen=True)
class Tool:
    """One program."""

    module: str
    """Its folder in ``tools/``."""
    package: str
    version: tuple[str, ...]
    """The arguments that make it print its version, with no look at the network."""
    floor: str | None = None
    """The oldest one on PATH that will do, of the same major version; without it, only one of
    the pinned minor version does."""


_CHART_VERSION = " ".join(
    f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMajor=1 "
    f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMinor={{kubernetes}}"
    for package in ("chartutil", "lint/rules")
)

_KUBERNETES = Module(
    "k8s.io/kubernetes",
    minutes=4,
    ldflags="-X k8s.io/component-base/version.gitVersion={version} "
    "-X k8s.io/component-base/version.gitMajor=1 "
    "-X k8s.io/component-base/version.gitMinor={minor} "
    "-X k8s.io/client-go/pkg/version.gitVersion={version}",
    tags="selinux,notest,grpcnotrace",
)

MODULES = {
    "pulumi": Module(
        "github.com/pulumi/pulumi/pkg/v3",
        minutes=3,
        ldflags="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
    ),
    "sops": Module("github.com/getsops/sops/v3", minutes=2),
    "age": Module("filippo.io/age", minutes=0.2, ldflags="-X main.Version={version}"),
    "helm": Module(
        "helm.sh/helm/v3",
        minutes=2,
        ldflags=f"-X helm.sh/helm/v3/internal/version.version={{version}} {_CHART_VERSION}",
    ),
    "kubeconform": Module(
        "github.com/yannh/kubeconform", minutes=0.2, ldflags="-X main.version={version}"
    ),
    "kubernetes": _KUBERNETES,
    # Apart, so that who needs kubeadm alone does not build the API server.
    "kubernetes-server": replace(_KUBERNETES, minutes=8, on_request=True),
    "etcd": Module("go.etcd.io/etcd/server/v3", minutes=1, on_request=True),
    "kwok": Module(
        "sigs.k8s.io/kwok",
        minutes=1,
        ldflags="-X sigs.k8s.io/kwok/pkg/consts.Version={version}",
        on_request=True,
    ),
    "coredns": Module("github.com/coredns/coredns", minutes=4, on_request=True),
    "containerd": Module(
        "github.com/containerd/containerd/v2",
        minutes=2,
        ldflags="-X github.com/containerd/containerd/v2/version.Version={version}",
        tags="urfave_cli_no_docs,no_btrfs,no_devmapper,no_zfs",
        on_request=True,
    ),
    "crictl": Module(
        "sigs.k8s.io/cri-tools",
        minutes=1,
        ldflags="-X sigs.k8s.io/cri-tools/pkg/version.Version={version}",
        on_request=True,
    ),
    # Neither tells a version of three numbers, so what is on PATH is passed over.
    "minio": Module("github.com/minio/minio", minutes=4, on_request=True),
    "mc": Module("github.com/minio/mc", minutes=1, on_request=True),
}

TOOLS = {
    "pulumi": Tool("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ("version",), "3.225.0"),
    # 3.11 is the first that takes a value for `set` on standard input.
    "sops": Tool(
        "sops",
        "github.com/getsops/sops/v3/cmd/sops",
        ("--disable-version-check", "--version"),
        "3.11.0",
    ),
    "age": Tool("age", "filippo.io/age/cmd/age", ("--version",), "1.1.0"),
    "age-keygen": Tool("age", "filippo.io/age/cmd/age-keygen", ("--version",), "1.1.0"),
    "helm": Tool("helm", "helm.sh/helm/v3/cmd/helm", ("version", "--short"), "3.19.0"),
    "kubeconform": Tool(
        "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", ("-v",), "0.7.0"
    ),
    "kubeadm": Tool("kubernetes", "k8s.io/kubernetes/cmd/kubeadm", ("version", "-o", "short")),
    "kubectl": Tool("kubernetes", "k8s.io/kubernetes/cmd/kubectl", ("version", "--client")),
    **{
        name: Tool("kubernetes-server", f"k8s.io/kubernetes/cmd/{name}", ("--version",))
        for name in ("kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    },
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", ("--version",)),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", ("--version",)),
    "coredns": Tool("coredns", "github.com/coredns/coredns", ("-version",)),
    **{
        name: Tool("containerd", f"github.com/containerd/containerd/v2/cmd/{name}", ("-v",))
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    },
    "crictl": Tool("crictl", "sigs.k8s.io/cri-tools/cmd/crictl", ("--version",)),
    "minio": Tool("minio", "github.com/minio/minio", ("--version",)),
    "mc": Tool("mc", "github.com/minio/mc", ("--version",)),
}


def say(line: str) -> None:
    """Report progress where it does not mix with a command's output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def path(name: str, report: Report = say) -> Path:
    """Return where the tool called ``name`` is, building it if it is nowhere yet.

    The environment variable ``AMPERE_SOPS`` (or ``AMPERE_AGE_KEYGEN``, ...) names it outright.

    Raises:
        BuildError: It is not there and cannot be built, or the one that was set does not do; the
            text says what to do.
    """
    found = _set(name) or _on_path(name)
    if found is not None:
        return found
    try:
        return own(name, report)
    except BuildError as error:
        raise BuildError(f"{_passed_over(name)}{error}") from None


def own(name: str, report: Report = say) -> Path:
    """Return the tool that is built from the pinned source, whatever is on PATH.

    Raises:
        BuildError: It cannot be built; the text says what to do.
    """
    tool = TOOLS[name]
    module = MODULES[tool.module]
    version = pinned(tool.module, module.pin)
    build = Build(
        name=f"{tool.module} {version}",
        folder=FOLDER / tool.module,
        packages=tuple(t.package for t in TOOLS.values() if t.module == tool.module),
        ldflags=_linked(module, version),
        tags=module.tags,
        minutes=module.minutes,
    )
    suffix = ".exe" if sys.platform == "win32" else ""
    return built(build, report) / f"{_program(tool.package)}{suffix}"


def usual() -> tuple[str, ...]:
    """Return the names of the tools that people and the program itself run."""
    return tuple(name for name, tool in TOOLS.items() if not MODULES[tool.module].on_request)


def forget() -> None:
    """Forget what was found on PATH, and which versions, as a new process does."""
    _on_path.cache_clear()
    _printed.cache_clear()


def pinned(module: str, pin: str) -> str:
    """Return the version that ``tools/<module>/go.mod`` requires of ``pin``: ``v3.225.0``."""
    text = (FOLDER / module / "go.mod").read_text(encoding="utf-8")
    match = re.search(rf"^(?:require)?\s+{re.escape(pin)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise BuildError(f"tools/{module}/go.mod does not require {pin}")
    return match[1]


def suitable(name: str, version_text: str) -> bool:
    """Whether a program that prints ``version_text`` will do as the tool called ``name``."""
    match = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", version_text)
    if match is None:
        return False
    found = tuple(int(part) for part in match.groups())
    tool = TOOLS[name]
    if tool.floor is None:
        return found[:2] == _numbers(pinned(tool.module, MODULES[tool.module].pin))[:2]
    floor = _numbers(tool.floor)
    return found >= floor and found[0] == floor[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").partition("-")[0].split("."))


def _set(name: str) -> Path | None:
    variable = f"AMPERE_{name.upper().replace('-', '_')}"
    chosen = os.environ.get(variable)
    if not chosen:
        return None
    found = shutil.which(chosen)
    if found is None:
        raise BuildError(f"{variable} names {chosen}, and no program is there")
    if not suitable(name, _printed(found, name)):
        raise BuildError(f"{variable} names {chosen}: {_too_old(name, found)}")
    return Path(found).absolute()


@cache
def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found and suitable(name, _printed(found, name)) else None


def _passed_over(name: str) -> str:
    found = shutil.which(name)
    return f"{found} does not do: {_too_old(name, found)}. " if found else ""


def _too_old(name: str, program: str) -> str:
    version = re.search(r"\bv?\d+\.\d+\.\d+", _printed(program, name))
    tool = TOOLS[name]
    wanted = tool.floor or pinned(tool.module, MODULES[tool.module].pin)
    told = f"it is version {version[0]}" if version else "it tells no version"
    return f"{told}, and {name} {wanted} or newer is needed"


@cache
def _printed(program: str, name: str) -> str:
    """Return what ``program`` prints when it is asked for its version."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [program, *TOOLS[name].version],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROBE_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout + answer.stderr


def _program(package: str) -> str:
    """Return what Go calls the program of ``package``: a major version is no name."""
    folder, _, last = package.rpartition("/")
    return folder.rpartition("/")[2] if re.fullmatch(r"v\d+", last) else last


def _linked(module: Module, version: str) -> str:
    values = {"version": version, "minor": version.split(".")[1]}
    kubernetes = pinned("kubernetes", MODULES["kubernetes"].pin).split(".")[1]
    return module.ldflags.format(**values, kubernetes=kubernetes)
