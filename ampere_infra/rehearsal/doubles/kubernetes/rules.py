"""What the API server refuses in an object, and what cannot be changed in place."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.values import items, number, table, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.rehearsal.doubles.values import Properties, Value
    from ampere_infra.rehearsal.places.cluster import Key

CLUSTER_WIDE = frozenset(
    {"Namespace", "Node", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding"}
    | {"CustomResourceDefinition", "PriorityClass", "IngressClass", "RuntimeClass", "APIService"}
    | {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "GatewayClass"}
    | {"ClusterIssuer", "CiliumClusterwideNetworkPolicy"}
)
AWAITED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "Service", "Ingress", "Job", "Pod"}
    | {"PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "ReplicationController"}
)
"""Kinds that the provider waits for."""
_IDENTITY = ("metadata.name", "metadata.namespace")
_SELECTOR = ("spec.selector",)
_REPLACED: dict[str, tuple[str, ...]] = {
    "Deployment": _SELECTOR,
    "DaemonSet": _SELECTOR,
    "StatefulSet": (
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.serviceName"),
        *("spec.selector", "spec.volumeClaimTemplates"),
    ),
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "PersistentVolumeClaim": (
        *("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    ),
    "PersistentVolume": ("spec.csi", "spec.hostPath", "spec.local", "spec.nfs"),
    "ResourceQuota": ("spec.scopes",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("parameters", "provisioner"),
}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([a-z0-9.-]+/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LONGEST_LABEL, _LONGEST_NAME, _LARGEST_SECRET = 63, 253, 1024 * 1024
_SECRET_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
_NODE_PORTS = range(30000, 32768)


def replaced(kind: str, *, secrets_mutable: bool, config_maps_mutable: bool) -> tuple[str, ...]:
    """Return the paths whose change replaces an object of ``kind``."""
    found = (*_IDENTITY, *_REPLACED.get(kind, ()))
    if kind == "Secret" and not secrets_mutable:
        found = (*found, "stringData", "data")
    if kind == "ConfigMap" and not config_maps_mutable:
        found = (*found, "binaryData", "data")
    return found


def complaints(key: Key, inputs: Properties) -> Iterator[str]:
    """Yield what the API server finds wrong with an object."""
    if not _NAME.fullmatch(key.name) or len(key.name) > _LONGEST_NAME:
        yield (
            f'metadata.name: Invalid value: "{key.name}": a lowercase RFC 1123 subdomain must '
            "consist of lower case alphanumeric characters, '-' or '.', and must start and end "
            "with an alphanumeric character"
        )
    metadata = table(inputs, "metadata")
    for name, value in table(metadata, "labels").items():
        told = str(value)
        if not _QUALIFIED.fullmatch(name) or not _LABEL_VALUE.fullmatch(told):
            yield f'metadata.labels: Invalid value: "{told}": a valid label must be alphanumeric'
        elif len(told) > _LONGEST_LABEL:
            yield f'metadata.labels: Invalid value: "{told}": must be no more than 63 characters'
    for name, value in table(metadata, "annotations").items():
        if not _QUALIFIED.fullmatch(name) or not isinstance(value, str):
            yield f'metadata.annotations: Invalid value: "{name}"'
    match key.kind:
        case "Secret":
            yield from _secret_complaints(inputs)
        case "Service":
            yield from _service_complaints(inputs)
        case "NetworkPolicy":
            yield from _policy_complaints(inputs)
        case _:
            pass


def secret_data(inputs: Properties) -> dict[str, Value]:
    """Return a Secret's ``data`` as the server keeps it, ``stringData`` merged in."""
    given = {k: base64.b64encode(str(v).encode()).decode() for k, v in _strings(inputs).items()}
    return {**table(inputs, "data"), **given}


def _strings(inputs: Properties) -> dict[str, Value]:
    return table(inputs, "stringData")


def _secret_complaints(inputs: Properties) -> Iterator[str]:
    for name, value in table(inputs, "data").items():
        try:
            base64.b64decode(str(value), validate=True)
        except binascii.Error:
            yield f"data.{name}: illegal base64 data at input byte 0"
    data = secret_data(inputs)
    for name in _SECRET_KEYS.get(text(inputs, "type"), ()):
        if name not in data:
            yield f"data[{name}]: Required value"
    if text(inputs, "type") == "kubernetes.io/basic-auth" and not {"username", "password"} & set(
        data
    ):
        yield "data[username]: Required value"
    if sum(len(str(value)) for value in data.values()) * 3 // 4 > _LARGEST_SECRET:
        yield "data: Too long: may not be more than 1048576 bytes"


def _service_complaints(inputs: Properties) -> Iterator[str]:
    spec = table(inputs, "spec")
    ports = [port for port in items(spec, "ports") if isinstance(port, dict)]
    if not ports and text(spec, "type") != "ExternalName" and text(spec, "clusterIP") != "None":
        yield "spec.ports: Required value"
    for index, port in enumerate(ports):
        node_port = number(port, "nodePort")
        if node_port and node_port not in _NODE_PORTS:
            yield (
                f"spec.ports[{index}].nodePort: Invalid value: {node_port}: provided port is not "
                "in the valid range. The range of valid ports is 30000-32767"
            )
        if len(ports) > 1 and not port.get("name"):
            yield f"spec.ports[{index}].name: Required value"


def _policy_complaints(inputs: Properties) -> Iterator[str]:
    spec = table(inputs, "spec")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in items(spec, direction):
            for peer in items(rule if isinstance(rule, dict) else {}, peers):
                block = table(peer if isinstance(peer, dict) else {}, "ipBlock")
                if block and not _is_cidr(text(block, "cidr")):
                    yield f'spec.{direction}.ipBlock.cidr: Invalid value: "{block.get("cidr")}"'
    for kind in items(spec, "policyTypes"):
        if kind not in ("Ingress", "Egress"):
            yield f'spec.policyTypes: Unsupported value: "{kind}"'


def _is_cidr(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return "/" in value
