"""Charts that take the place of upstream's, which cannot be fetched without internet.

A stand-in has its chart's name and version, so that the release is recorded as the real one would
be, and what upstream publishes of it, where its folder is at hand: the schema that Helm checks the
program's values against, and the definitions of its objects. Without that folder any value will do.
It runs nothing, no network, no operator; Airflow's has one pod where the program's Service looks
for Airflow's own.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tests.tools import crd_schemas
from tests.upstream import upstream_files

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.settings.api import ApiVersions
    from ampere_infra.settings.home import Versions


@dataclass(frozen=True)
class Published:
    """What upstream publishes of a chart, as patterns of files."""

    schema: str
    definitions: str = ""
    group: str = ""
    kinds: tuple[str, ...] = ()
    """What the program or a test makes of ``group``."""


CILIUM = Published("cilium-*/values.schema.json", "cilium-*/crds/*.yaml")
OPERATOR = Published(
    "cloudnative-pg-*/operator-chart-values.schema.json",
    "cloudnative-pg-*/crds/postgresql.*.yaml",
    "postgresql.cnpg.io",
    ("Cluster", "Database", "ScheduledBackup", "Backup"),
)
PLUGIN = Published(
    "cloudnative-pg-*/plugin-barman-cloud-chart-values.schema.json",
    "cloudnative-pg-*/crds/barmancloud.*.yaml",
    "barmancloud.cnpg.io",
    ("ObjectStore",),
)
CERT_MANAGER = Published("cert-manager-*/values.schema.json")
EDGE = {
    "cilium": {"CiliumClusterwideNetworkPolicy"},
    "gateway-helm": {
        *("GatewayClass", "Gateway", "HTTPRoute", "EnvoyProxy"),
        *("ClientTrafficPolicy", "BackendTrafficPolicy", "SecurityPolicy"),
    },
    "cert-manager": {"Certificate", "ClusterIssuer"},
}
"""The kinds that ``api`` makes, by the chart that brings their definitions."""
UNUSED = ("postgresql.cnpg.io_poolers.yaml",)
"""The largest of the definitions, and nothing here makes one."""
_NOTE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: stand-in-for-{{ .Chart.Name }}
  namespace: {{ .Release.Namespace }}
"""
_DEFINITIONS = """\
{{ range $path, $_ := .Files.Glob "upstream/*" }}
---
{{ $.Files.Get $path }}
{{ end }}
"""

_POD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: stand-in
  namespace: {{ .Release.Namespace }}
spec:
  selector:
    matchLabels: {tier: airflow, component: api-server, release: {{ .Release.Name }}}
  template:
    metadata:
      labels: {tier: airflow, component: api-server, release: {{ .Release.Name }}}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 50000
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: stand-in
          image: registry.invalid/stand-in:1
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 10m, memory: 16Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


def stand_ins(folder: Path, versions: Versions) -> dict[str, Path]:
    """Write a chart below ``folder`` for each of upstream's; return their folders by name."""
    airflow = _chart(folder, "airflow", versions.airflow, None)
    (airflow / "templates/pod.yaml").write_text(_POD, encoding="utf-8")
    return {
        "cilium": _chart(folder, "cilium", versions.cilium, CILIUM),
        "cloudnative-pg": _chart(folder, "cloudnative-pg", versions.cloudnative_pg, OPERATOR),
        "plugin-barman-cloud": _chart(folder, "plugin-barman-cloud", versions.barman_cloud, PLUGIN),
        "airflow": airflow,
    }


def edge_stand_ins(folder: Path, versions: ApiVersions) -> dict[str, Path]:
    """Write a chart below ``folder`` for each of upstream's at the edge; return their folders.

    Upstream's folder must be at hand. The definitions come before what is in the chart and stay
    when it goes, as Envoy Gateway's do, and cert-manager's where they are kept.
    """
    charts = {
        "cilium": _chart(folder, "cilium", versions.cilium, CILIUM),
        "gateway-helm": _chart(folder, "gateway-helm", f"v{versions.envoy_gateway}", None),
        "cert-manager": _chart(folder, "cert-manager", f"v{versions.cert_manager}", CERT_MANAGER),
    }
    for name, kinds in EDGE.items():
        (charts[name] / "crds").mkdir()
        for definition in crd_schemas.definitions(kinds):
            file = charts[name] / "crds" / f"{definition['metadata']['name']}.yaml"
            file.write_text(json.dumps(definition), encoding="utf-8")
    return charts


def _chart(folder: Path, name: str, version: str, published: Published | None) -> Path:
    chart = folder / name
    (chart / "templates").mkdir(parents=True)
    metadata = {"apiVersion": "v2", "name": name, "version": version, "description": "a stand-in"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
    (chart / "templates/note.yaml").write_text(_NOTE, encoding="utf-8")
    for schema in upstream_files(published.schema) if published else ():
        shutil.copy(schema, chart / "values.schema.json")
    if published:
        (chart / "upstream").mkdir()
        for file, text in definitions(published).items():
            (chart / "upstream" / file).write_text(text, encoding="utf-8")
        (chart / "templates/definitions.yaml").write_text(_DEFINITIONS, encoding="utf-8")
    return chart


def definitions(published: Published) -> dict[str, str]:
    """Return upstream's definitions by their files' names, or without its folder open ones."""
    found = upstream_files(published.definitions) if published.definitions else []
    files = [file for file in found if file.name not in UNUSED]
    if files:
        return {file.name: file.read_text(encoding="utf-8") for file in files}
    group = published.group
    return {f"{kind}.yaml": yaml.safe_dump(_open(group, kind)) for kind in published.kinds}


def _open(group: str, kind: str) -> dict[str, object]:
    singular = kind.lower()
    names = {"kind": kind, "listKind": f"{kind}List", "plural": f"{singular}s"}
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": anything},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
