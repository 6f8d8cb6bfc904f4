"""Objects of kinds that the SDK has no classes for, written as Kubernetes reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi_kubernetes as kubernetes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi

    from ampere_infra.platform.target import Target

Manifest = dict[str, Any]
"""One object: ``apiVersion``, ``kind``, ``metadata`` and ``spec``, without any output inside."""

GATEWAY_API = "gateway.networking.k8s.io"
ENVOY_GATEWAY = "gateway.envoyproxy.io"
CERT_MANAGER = "cert-manager.io"


def manifest(
    api_version: str, kind: str, name: str, spec: Mapping[str, Any], namespace: str | None = None
) -> Manifest:
    """Return an object; one that is not in any namespace has no ``namespace``."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def custom_object(
    target: Target,
    parent: pulumi.Resource,
    content: Manifest,
    gates: Sequence[pulumi.Resource],
) -> kubernetes.apiextensions.CustomResource:
    """Apply ``content`` as part of ``parent``, after ``gates``: its definition and its namespace.

    In the stack it is called by its kind and name, such as ``httproute-api``.
    """
    name: str = content["metadata"]["name"]
    return kubernetes.apiextensions.CustomResource(
        f"{content['kind'].lower()}-{name}",
        api_version=content["apiVersion"],
        kind=content["kind"],
        metadata=content["metadata"],
        spec=content["spec"],
        opts=target.child(parent, gates),
    )
