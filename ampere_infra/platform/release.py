"""A Helm release: pinned, named, waited for, and healed by running again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_kubernetes as kubernetes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pulumi

    from ampere_infra.platform.target import Target

REVISIONS_KEPT = 5
OCI = "oci://"
"""Helm takes such a chart by its whole address and refuses it as a repository's
(https://helm.sh/docs/topics/registries/)."""


@dataclass(frozen=True)
class UpstreamChart:
    """A chart as its project publishes it."""

    repository: str
    """An ``https://`` repository, or the folder of an ``oci://`` registry that the chart is in."""
    name: str
    version: str
    """As the repository spells it; of a registry it is the chart's tag."""


@dataclass(frozen=True)
class OurChart:
    """A chart in this project's ``charts`` folder."""

    name: str


@dataclass(frozen=True)
class ReleaseArgs:
    """One release; no secret is among its values, which name Secrets only."""

    name: str
    namespace: str
    chart: UpstreamChart | OurChart
    values: Mapping[str, Any]
    wait_for_jobs: bool = False
    """Whether the release is ready only when its Jobs have succeeded."""


def digest(chart: Path) -> str:
    """Return a digest of the chart's files, the same whatever their line ends.

    Helm's provider compares a local chart by its version only: without this, an edited template
    would not reach the cluster.
    """
    total = hashlib.sha256()
    for file in sorted(path for path in chart.rglob("*") if path.is_file()):
        content = file.read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{file.relative_to(chart).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:16]


def helm_release(
    target: Target, args: ReleaseArgs, parent: pulumi.Resource, gates: Sequence[pulumi.Resource]
) -> kubernetes.helm.v3.Release:
    """Return the release ``args.name``, which waits for ``gates`` and for ``target``'s.

    It is not atomic on purpose. An atomic install that times out is uninstalled, and takes what it
    made with it, a database included; one that is not stays in the state as failed, its pods can be
    looked at, and the next run upgrades it. ``target.records`` covers the killed run, whose release
    is not in the state or is locked.
    """
    options = target.child(parent, [*target.gates, *gates])
    if target.records is not None:
        options.hooks = target.records.hooks(args.namespace, args.name)
    return kubernetes.helm.v3.Release(
        args.name,
        name=args.name,
        namespace=args.namespace,
        values=args.values,
        timeout=target.release_timeout,
        atomic=False,
        cleanup_on_fail=False,
        create_namespace=False,
        max_history=REVISIONS_KEPT,
        wait_for_jobs=args.wait_for_jobs,
        **_source(target, args.chart),
        opts=options,
    )


def _source(target: Target, chart: UpstreamChart | OurChart) -> dict[str, Any]:
    if isinstance(chart, OurChart):
        folder = target.charts / chart.name
        return {
            "chart": f"./{folder.as_posix()}",
            "description": f"{folder.as_posix()} {digest(folder)}",
        }
    if chart.repository.startswith(OCI):
        return {"chart": f"{chart.repository}/{chart.name}", "version": chart.version}
    return {
        "chart": chart.name,
        "version": chart.version,
        "repository_opts": kubernetes.helm.v3.RepositoryOptsArgs(repo=chart.repository),
    }
