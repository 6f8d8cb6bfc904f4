"""The whole of stage 3 against the engine's mocks, for tests to look at what was asked for."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pulumi.runtime
import pulumi.runtime.settings
from pydantic import SecretStr

from ampere_infra.platform.cilium import Cilium
from ampere_infra.platform.namespace import BuiltInNamespaces
from ampere_infra.platform.storage import LocalPath
from ampere_infra.platform.target import Target
from ampere_infra.secrets.model import HomeSecrets
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.quotas import allowances
from ampere_infra.stacks import cluster_specs, home_specs
from ampere_infra.stacks.home_services import data_platform

if TYPE_CHECKING:
    from ampere_infra.settings.home import HomeSettings

ROOT = Path(__file__).parents[2]
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET_MARK = "4dabf18193072939515e22adb298388d"


def canary(name: str) -> str:
    """A value that stands nowhere by chance; its signs would break a careless URL."""
    return f"canary-{name}/@:%+x"


@dataclass
class Asked:
    """One resource that the program asked for."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Answers like a cluster where all goes well, and remembers what was asked for."""

    asked: list[Asked] = field(default_factory=list[Asked])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    waits: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    """What each resource, by type and name, waits for, by name."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.asked.append(Asked(args.typ, args.name, dict(args.inputs)))
        outputs = dict(args.inputs)
        if args.typ == RELEASE:
            outputs["status"] = {"status": "deployed"}
        if args.typ == "random:index/randomId:RandomId":
            outputs["hex"] = "0badcafe"
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = canary(args.name)
        if args.typ == "tls:index/privateKey:PrivateKey":
            outputs["privateKeyPem"] = canary(args.name)
        if args.typ == "tls:index/selfSignedCert:SelfSignedCert":
            outputs["certPem"] = f"certificate of {args.name}"
        return f"{args.name}-id", outputs

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.calls.append({"token": args.token, **dict(args.args)})
        return {}, []

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        """The inputs of each resource of ``type_``, by its name in the stack."""
        return {asked.name: asked.inputs for asked in self.asked if asked.type == type_}

    def release(self, name: str) -> dict[str, Any]:
        return self.of(RELEASE)[name]


BACKUP = {"endpoint": "https://s3.example.com:8443", "bucket": "copies", "schedule": "30 2 * * *"}


def settings(recovery: dict[str, Any] | None = None, **services: Any) -> HomeSettings:
    """The home stack's settings, with ``services`` laid over its services."""
    config = dict(read_stack_file(ROOT / "Pulumi.home.yaml"))
    if recovery:
        config["ampere:recovery"] = recovery
    base = config["ampere:services"]
    assert isinstance(base, dict)
    config["ampere:services"] = {**base, **services}
    return parse("home", config)


def target(home: HomeSettings) -> Target:
    addresses = Addresses(
        api=IPv4Network(home.control_plane.address),
        nodes=home.network.subnet,
        pods=home.cluster.pod_network,
        front=IPv4Network(home.network.gateway),
    )
    return Target(
        traffic=traffic(home_specs.rows(home), addresses),
        release_timeout=home.bootstrap.timeouts.release,
        allowances=allowances(home),
        charts=Path("charts"),
    )


def deploy(home: HomeSettings) -> None:
    """Ask for the platform and all services, as a stack does."""
    cluster = target(home)
    BuiltInNamespaces("built-in", cluster)
    cilium = Cilium("cilium-network", home_specs.cilium(home, cluster))
    ready = cluster.after(cilium.release)
    storage = LocalPath("local-path-storage-class", cluster_specs.storage(home, ready))
    there = cluster.after(storage.release)
    data_platform(home, secrets(), there, storage.storage_class, pulumi.ResourceOptions())


def secrets() -> HomeSecrets:
    """All secrets of the stack, each a canary of its name."""
    names = HomeSecrets.model_fields
    return HomeSecrets.model_construct(None, **{name: SecretStr(canary(name)) for name in names})


def record(home: HomeSettings) -> Recorder:
    """Run the program against the mocks, as an update and not as a preview."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="ampere", stack="home", preview=False)
    watch_order(recorder)

    @pulumi.runtime.test
    def program() -> None:
        deploy(home)

    program()
    return recorder


def watch_order(recorder: Recorder) -> None:
    """Note in ``recorder.waits`` what each resource that is asked for depends on."""
    monitor = cast("Any", pulumi.runtime.settings.get_monitor())
    register = monitor.RegisterResource

    def watched(request: Any) -> Any:
        names = {urn.rpartition("::")[2] for urn in request.dependencies}
        recorder.waits[request.type, request.name] = names
        return register(request)

    monitor.RegisterResource = watched


@functools.cache
def recorded() -> Recorder:
    """What the home stack's own settings ask for."""
    return record(settings())


@functools.cache
def backed_up() -> Recorder:
    """What a home asks for that has a second S3 target, and was restored once."""
    recovery = {
        "generation": 2,
        "source": "postgresql",
        "to": "2026-11-20T10:00:00Z",
        "kept": ["postgresql"],
    }
    return record(settings(backup=BACKUP, recovery=recovery))


def plain(value: Any) -> Any:
    """``value`` with the engine's marks of secrecy taken off."""
    if isinstance(value, dict):
        if SECRET_MARK in value:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
