"""What it costs to put services on a real API server, and how that grows with their number.

    uv run --no-sync python -m benchmarks.services [--releases 1 10] [--json]

home      `home` on a cluster of real programs: objects that came into etcd, what admission was
          asked (Pod Security, and all plugins together), the time of up and of a second up that
          finds nothing to do
growth    releases of one small chart, each in a namespace of its own with its policies: by our
          components, and by nothing but `kubectl apply` and `helm install` of the same, all at once

Times are seconds of this machine and this run; compare them with each other only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import yaml

from ampere_infra import tools
from ampere_infra.machines.ways import to_host
from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.provider import cluster_provider
from ampere_infra.platform.records import ReleaseRecords
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.platform.target import Target
from ampere_infra.rehearsal.project import SOURCE, Project
from ampere_infra.rehearsal.reality import ApiServer
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.rehearsal.world import World
from tests.cluster.cluster import Cluster, given
from tests.services.conftest import home_on

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ampere_infra.rehearsal.engine import Outcome

TIMEOUT = 300
_COUNTED = {
    "pod security": "pod_security_evaluations_total",
    "admission": "apiserver_admission_controller_admission_duration_seconds_count",
}
"""What is counted, by the names of the API server's own metrics."""
_POD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
spec:
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: main
          image: registry.invalid/main:1
          resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {memory: 1Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


@dataclass(frozen=True)
class Whole:
    """The whole of ``home``."""

    start: float
    """Of the cluster itself."""
    up: float
    again: float
    counted: dict[str, int]


@dataclass(frozen=True)
class Size:
    """So many releases."""

    releases: int
    up: float
    again: float
    bare: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure services on a real API server.")
    parser.add_argument("--releases", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    with Cluster(given()) as cluster:
        start = time.monotonic() - began
        whole = _whole(cluster, start)
    with Cluster(given()) as cluster:
        sizes = [_size(cluster, count) for count in sorted(arguments.releases)]
    if arguments.json:
        found = {"home": asdict(whole), "growth": [asdict(size) for size in sizes]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(tell(whole, sizes) + "\n")


def tell(whole: Whole, sizes: list[Size]) -> str:
    """Put the measurements into tables."""
    lines = [f"home: cluster {whole.start:.1f}, up {whole.up:.1f}, again {whole.again:.1f} seconds"]
    lines += [f"  {name}: {count}" for name, count in whole.counted.items()]
    lines += ["", "releases        up     again      bare   up/bare  seconds"]
    for size in sizes:
        times = "".join(f"{value:10.2f}" for value in (size.up, size.again, size.bare))
        lines.append(f"{size.releases:8}{times}{size.up / size.bare:10.2f}")
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        more = last.releases - first.releases
        grown = [(getattr(last, n) - getattr(first, n)) / more for n in ("up", "again", "bare")]
        lines.append("one more" + "".join(f"{value:10.2f}" for value in grown))
    return "\n".join(lines)


def _whole(cluster: Cluster, start: float) -> Whole:
    before = _counted(cluster)
    with home_on(cluster) as home:
        home.stage.engine.logs = None
        up = _must(home.stage.engine.up())
        after = _counted(cluster)
        again = _must(home.stage.engine.up())
    counted = {name: after[name] - before[name] for name in after}
    return Whole(start, up.seconds, again.seconds, counted)


def _counted(cluster: Cluster) -> dict[str, int]:
    objects = [key for key in cluster.stored() if not key.startswith("/registry/events/")]
    counted = {name: cluster.counted(metric) for name, metric in _COUNTED.items()}
    return {"objects": len(objects), **counted}


def _size(cluster: Cluster, count: int) -> Size:
    with _stage(cluster, count) as stage:
        up = _must(stage.engine.up())
        again = _must(stage.engine.up())
        _must(stage.engine.destroy())
    return Size(count, up.seconds, again.seconds, _bare(cluster, count))


@contextmanager
def _stage(cluster: Cluster, count: int) -> Generator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="ampere-services-"))
    try:
        project = Project("home", SOURCE / "Pulumi.home.yaml", folder / "run")
        world = World(api_server=ApiServer(cluster.kubeconfig))
        with staged(project, world, _program(cluster, count)) as stage:
            _write_chart(project.root / "charts/small")
            stage.engine.logs = None
            yield stage
    finally:
        shutil.rmtree(folder)


def _program(cluster: Cluster, count: int) -> Callable[[], None]:
    def declare() -> None:
        kubeconfig = pulumi.Output.secret(cluster.kubeconfig.read_text(encoding="utf-8"))
        opts = pulumi.ResourceOptions(provider=cluster_provider("cluster", kubeconfig, "small"))
        # As a stack has it: before each install the host's kubectl looks for stale records.
        records = ReleaseRecords(to_host(["ssh", "host"]), kubeconfig)
        target = Target((), TIMEOUT, records)
        for number in range(count):
            name = f"small-{number}"
            small = pulumi.ComponentResource("ampere:benchmarks:Small", f"a-{name}", None, opts)
            inside = pulumi.ResourceOptions(parent=small)
            space = Namespace(name, NamespaceArgs(name, target), inside)
            args = ReleaseArgs(name, name, OurChart("small"), {"size": number})
            helm_release(target, args, small, [space])

    return declare


def _bare(cluster: Cluster, count: int) -> float:
    """Return the seconds of the same with nothing but Kubernetes' and Helm's own commands."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "small"
        _write_chart(chart)
        names = [f"small-{number}" for number in range(count)]
        began = time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(partial(_install, cluster, chart), names))
        seconds = time.monotonic() - began
    cluster.kubectl("delete", "namespace", *names)
    return seconds


def _install(cluster: Cluster, chart: Path, name: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "default", "namespace": name},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
    ]
    done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
    if done.returncode:
        raise SystemExit(done.stderr)
    login = ("--kubeconfig", str(cluster.kubeconfig), "--namespace", name)
    words = ("install", name, str(chart), "--wait", "--timeout", f"{TIMEOUT}s", *login)
    helm = subprocess.run([tools.path("helm"), *words], capture_output=True, text=True, check=False)
    if helm.returncode:
        raise SystemExit(helm.stderr)


def _write_chart(folder: Path) -> None:
    (folder / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "small", "version": "1.0.0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    (folder / "templates/pod.yaml").write_text(_POD, encoding="utf-8")


def _must(outcome: Outcome) -> Outcome:
    if not outcome.ok:
        raise SystemExit(outcome.output)
    return outcome


if __name__ == "__main__":
    main()
