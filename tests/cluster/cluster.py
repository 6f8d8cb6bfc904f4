"""A cluster of real programs: etcd, the API server, its two controllers, and kwok for its nodes."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ampere_infra import templates, tools
from ampere_infra.bootstrap import api_server
from ampere_infra.bootstrap.kubeadm import init_config
from ampere_infra.bootstrap.spec import NodeSpec, Role
from ampere_infra.bootstrap.user_data import user_data
from ampere_infra.rehearsal.doubles.kubernetes.real.api import Api
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.stacks import home_specs as specs
from tests.cluster.nodes import nodes
from tests.cluster.plane import Plane
from tests.cluster.process import Process, together
from tests.ports import free_port
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.settings.home import HomeSettings

PROJECT = Path(__file__).resolve().parents[2]
STAGES = Path(__file__).parent / "stages.yaml"
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
MANAGER = "tests"
_BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "kubeadm:cluster-admins"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    },
    "subjects": [
        {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Group",
            "name": "kubeadm:cluster-admins",
        }
    ],
}
"""What ``kubeadm init`` gives to the group that its administrator, and the program's, is in."""


def home_settings() -> HomeSettings:
    """Return the settings of the project's own ``home``."""
    return parse("home", dict(read_stack_file(PROJECT / "Pulumi.home.yaml")))


@dataclass(frozen=True)
class Given:
    """What a cluster is made from."""

    settings: HomeSettings
    """Its nodes' number and sizes."""
    config: str
    """kubeadm's configuration as the program renders it."""
    files: Mapping[str, str]
    """The files of the master, those that the configuration refers to among them."""


def pushed_files() -> dict[str, str]:
    """Return what the API server reads on the master that comes there over SSH."""
    key = api_server.encryption_key("drawn for the tests")
    return {api_server.ENCRYPTION: api_server.encryption_config([key])}


def given(files: Mapping[str, str] | None = None, settings: HomeSettings | None = None) -> Given:
    """Return what ``home`` is made from.

    Args:
        files: what the master has besides what the program gives it, by its path there.
        settings: other settings than the project's own.
    """
    settings = settings or home_settings()
    wanted = settings.control_plane
    node = NodeSpec(wanted.name, Role.CONTROL_PLANE, wanted.address, "/dev/vdc")
    cluster = specs.cluster(settings)
    born = user_data(cluster, node, "ssh-ed25519 AAAA", None)
    own = {
        entry["path"]: entry["content"] for entry in templates.parse(born.text)[0]["write_files"]
    }
    return Given(settings, init_config(cluster, node), {**own, **pushed_files(), **(files or {})})


class Cluster(AbstractContextManager["Cluster"]):
    """A cluster on loopback; what was in it is gone when its context ends.

    ``processes`` holds its parts, to be stopped, killed and started again, by name: ``etcd``,
    ``kube-apiserver``, ``kube-controller-manager``, ``kube-scheduler`` and ``kwok``.

    Args:
        given: what the program renders for it.
        folder: an empty folder, which stands for the master's ``/``; a temporary one by default.
        flags: further flags by the name of the program: ``{"kube-apiserver": {"v": "4"}}``.
    """

    api: Api
    """The administrator's way in."""

    def __init__(
        self,
        given: Given,
        folder: Path | None = None,
        flags: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.given = given
        self._folder = folder
        self._flags = flags or {}
        self._stack = ExitStack()
        self.processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        made = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ampere-cluster-"))
        self._stack.callback(self._end)
        try:
            self.plane = Plane((self._folder or Path(made)).resolve())
            self.plane.lay_out(self.given.config, dict(self.given.files))
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, of the group ``kubeadm:cluster-admins``."""
        return self.plane.kubernetes / "admin.conf"

    @property
    def root(self) -> Path:
        """What stands for the master's ``/``."""
        return self.plane.root

    def kubectl(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``kubectl`` as the administrator."""
        program = [tools.path("kubectl"), "--kubeconfig", self.kubeconfig]
        return subprocess.run(
            [*program, *words], input=stdin, capture_output=True, text=True, check=False
        )

    def stored(self, prefix: str = "/registry/") -> dict[str, bytes]:
        """Return all that etcd holds below ``prefix``, as it lies there, by its key."""
        answer = self._etcd("/v3/kv/range", _range(prefix))
        pairs = answer.get("kvs", [])
        return {
            base64.b64decode(pair["key"]).decode(): base64.b64decode(pair.get("value", ""))
            for pair in pairs
        }

    def counted(self, metric: str, **labels: str) -> int:
        """Return what the API server counts under these labels; each of its runs counts anew."""
        words = [f'{name}="{value}"' for name, value in labels.items()]
        lines = self.kubectl("get", "--raw", "/metrics").stdout.splitlines()
        found = [line for line in lines if line.startswith(f"{metric}{{")]
        fitting = [line for line in found if all(word in line for word in words)]
        return sum(int(float(line.rpartition(" ")[2])) for line in fitting)

    def ready(self) -> bool:
        """Tell whether the API server serves all that it is made for."""
        context = ssl.create_default_context(cafile=str(self.plane.pki / "ca.crt"))
        return _answers(f"{self.plane.server}/readyz", context)

    def _start(self) -> None:
        self._process("etcd", f"{self.plane.url('etcd-metrics', 'http')}/readyz")
        together([self.processes["etcd"]])
        server = self._process("kube-apiserver", "")
        server.answers = self.ready
        together([server])
        with closing(Api(self.plane.kubernetes / "super-admin.conf")) as root:
            root.apply(_BINDING, MANAGER)
            await_true(lambda: _is_let_in(root), "the rights of the controllers")
        for name in CONTROLLERS:
            port = self.plane.ports[name.removeprefix("kube-")]
            self._process(name, f"https://127.0.0.1:{port}/healthz")
        self._kwok()
        self.api = self._stack.enter_context(closing(Api(self.kubeconfig)))
        together([self.processes[name] for name in (*CONTROLLERS, "kwok")])
        for node in nodes(self.given.settings):
            self.api.request("POST", "/api/v1/nodes", node)

    def _process(self, name: str, health: str) -> Process:
        flags = {**self.plane.flags(name), **self._flags.get(name, {})}
        process = Process(
            name,
            tools.path(name),
            flags,
            self.plane.root / f"{name}.log",
            lambda: _answers(health, ssl._create_unverified_context()),
        )
        self.processes[name] = process
        return process

    def _kwok(self) -> None:
        port = free_port()
        flags = {
            "kubeconfig": str(self.kubeconfig),
            "config": str(STAGES),
            "manage-all-nodes": "true",
            "node-lease-duration-seconds": "40",
            "cidr": str(self.given.settings.cluster.pod_network),
            "server-address": f"127.0.0.1:{port}",
        }
        self.processes["kwok"] = Process(
            "kwok",
            tools.path("kwok"),
            flags,
            self.plane.root / "kwok.log",
            lambda: _answers(f"http://127.0.0.1:{port}/healthz", None),
        )

    def _end(self) -> None:
        # The API server hangs while it ends when etcd is gone before it.
        for name in ("kwok", *CONTROLLERS, "kube-apiserver", "etcd"):
            if name in self.processes:
                self.processes[name].kill()

    def _etcd(self, path: str, question: Mapping[str, str]) -> dict[str, Any]:
        """Ask etcd itself, by its gateway for JSON, with the API server's own certificate."""
        pki = self.plane.pki
        context = ssl.create_default_context(cafile=str(pki / "etcd/ca.crt"))
        context.load_cert_chain(
            pki / "apiserver-etcd-client.crt", pki / "apiserver-etcd-client.key"
        )
        request = urllib.request.Request(
            f"{self.plane.url('etcd')}{path}", json.dumps(question).encode()
        )
        with urllib.request.urlopen(request, context=context) as answer:
            return json.load(answer)


def _is_let_in(root: Api) -> bool:
    """Tell whether the controllers have their rights: one that has not ends itself for good.

    The API server is ready before its authorizer has seen all the roles that it has made.
    """
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:kube-controller-manager",
            "resourceAttributes": {
                "namespace": "kube-system",
                "verb": "get",
                "resource": "serviceaccounts",
            },
        },
    }
    answer = root.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def _range(prefix: str) -> dict[str, str]:
    """Return the question for all keys that begin with ``prefix``: up to its successor."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {
        name: base64.b64encode(key.encode()).decode()
        for name, key in (("key", prefix), ("range_end", end))
    }


def _answers(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return answer.status == http.client.OK
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False
