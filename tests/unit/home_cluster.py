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

from ampere_infra.platform.cilium import Cilium, CiliumArgs
from ampere_infra.platform.namespace import BuiltInNamespaces, Namespace, NamespaceArgs
from ampere_infra.platform.storage import LocalPath, LocalPathArgs
from ampere_infra.platform.target import Target
from ampere_infra.services.airflow import Airflow, AirflowArgs, AirflowKeys
from ampere_infra.services.airflow_dags import needs_ssh_key
from ampere_infra.services.backup import BackupTarget
from ampere_infra.services.dbt import Dbt, DbtArgs
from ampere_infra.services.minio import AccessKey, Consumer, MinIO, MinIOArgs
from ampere_infra.services.postgresql import PostgreSQL, PostgreSQLArgs
from ampere_infra.services.postgresql_values import DATABASES
from ampere_infra.services.traffic import Addresses, traffic
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.namespaces import AIRFLOW
from ampere_infra.settings.quotas import allowances
from ampere_infra.stacks import home_specs

if TYPE_CHECKING:
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.services import Dags

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
    cilium = Cilium(
        "cilium-network",
        CiliumArgs(
            cluster,
            home.versions.cilium,
            str(home.control_plane.address),
            home.cluster.pod_network,
        ),
    )
    storage = LocalPath(
        "local-path-storage-class",
        LocalPathArgs(
            cluster.after(cilium.release),
            home.images.local_path_provisioner,
            home.images.local_path_helper,
        ),
    )
    _services(home, cluster.after(storage.release), storage.storage_class)


def _services(home: HomeSettings, cluster: Target, storage_class: pulumi.Input[str]) -> None:
    services = home.services
    backup = services.backup and BackupTarget(
        services.backup, canary("backup-access"), canary("backup-secret")
    )
    passwords = {name: pulumi.Output.secret(canary(f"postgresql-{name}")) for name in DATABASES}
    postgresql = PostgreSQL(
        "database",
        PostgreSQLArgs(
            target=cluster,
            settings=services.postgresql,
            operator_version=home.versions.cloudnative_pg,
            image=home.images.postgresql,
            storage_class=storage_class,
            passwords=passwords,
            backup=backup,
            barman_version=home.versions.barman_cloud,
            recovery=home.recovery,
        ),
    )
    minio = MinIO(
        "object-store",
        MinIOArgs(
            target=cluster,
            settings=services.minio,
            domains=services.domains,
            node_ports=services.node_ports,
            image=home.images.minio,
            client_image=home.images.minio_client,
            storage_class=storage_class,
            root_user=canary("root-user"),
            root_password=canary("root-password"),
            consumers={
                "airflow": _consumer("airflow", services.airflow.logs_bucket),
                "dbt": _consumer("dbt", services.dbt.bucket),
            },
            backup=backup,
        ),
    )
    namespace = Namespace(AIRFLOW, NamespaceArgs(AIRFLOW, cluster))
    dbt = Dbt("dbt", DbtArgs(cluster, services.dbt, namespace, minio.store, home.images.dbt))
    Airflow(
        "scheduler",
        AirflowArgs(
            target=cluster,
            settings=services.airflow,
            namespace=namespace,
            version=home.versions.airflow,
            image=home.images.airflow,
            domain=services.domains.airflow,
            node_port=services.node_ports.airflow,
            database=postgresql.databases["airflow"],
            database_password=passwords["airflow"],
            platform=postgresql.databases["platform"],
            platform_password=passwords["platform"],
            store=minio.store,
            transformations=dbt.transformations,
            keys=AirflowKeys(*(canary(key) for key in ("fernet", "api", "jwt", "admin"))),
            dags_login=canary("git") if _takes_login(services.airflow.dags) else None,
        ),
    )


def _takes_login(dags: Dags) -> bool:
    return needs_ssh_key(dags) or dags.user is not None


def _consumer(name: str, bucket: str) -> Consumer:
    return Consumer(AccessKey(canary(f"{name}-access"), canary(f"{name}-secret")), (bucket,))


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
