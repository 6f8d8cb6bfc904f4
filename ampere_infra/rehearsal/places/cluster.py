"""A Kubernetes cluster: its objects, Helm's records of releases, and its nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from ampere_infra.rehearsal.places.stable import stable

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.rehearsal.doubles.values import Properties, Value

BUILT_IN = ("default", "kube-system", "kube-public", "kube-node-lease")
"""Namespaces that every cluster is born with."""
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""The label of a node whose address no Service gets."""


@dataclass(frozen=True)
class Key:
    """Which object: what the API server tells objects apart by."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.api_version}/{self.kind} {place}{self.name}"


@dataclass
class Thing:
    """An object: what was applied, with its secrets masked, and the server's own facts."""

    applied: Properties
    shown: Value
    uid: str


@dataclass
class Release:
    """Helm's last record of a release."""

    namespace: str
    name: str
    chart: str
    version: str
    values: Value
    """The values, secrets masked."""
    status: str = "deployed"
    revision: int = 1

    def unlock(self) -> None:
        """Fall back to the last good revision."""
        self.status, self.revision = "deployed", max(1, self.revision - 1)


@dataclass
class Cluster:
    """All that one API server knows."""

    things: dict[Key, Thing] = field(default_factory=dict[Key, Thing])
    releases: dict[tuple[str, str], Release] = field(default_factory=dict[tuple[str, str], Release])
    nodes: set[str] = field(default_factory=set[str])
    owner: str = ""
    """What holds etcd's data: the cluster is gone when that is."""
    control_plane: str = ""
    """The machine that the API server runs on."""
    node_ports: dict[int, Key] = field(default_factory=dict[int, Key])
    excluded: set[str] = field(default_factory=set[str])
    """Nodes that carry ``EXCLUDED``."""

    def live_on(self, owner: str, machine: str, *, excluded: bool) -> None:
        """Begin on ``owner``, or go on there with what it holds.

        ``excluded`` says whether kubeadm gave the node the label ``EXCLUDED``.
        """
        if self.owner != owner:
            self._clear()
        self.owner, self.control_plane = owner, machine
        self.nodes.add(machine)
        if excluded:
            self.excluded.add(machine)

    def unreachable(self) -> list[str]:
        """Say which Gateways get no address, because Cilium's node IPAM skips every node.

        That label is enough (``nodeIncludedPredicate`` of its operator/pkg/nodeipam).
        """
        gateways = [str(key) for key in self.things if key.kind == "Gateway"]
        if not self.nodes or self.nodes - self.excluded:
            return []
        return [f"{each} gets no address: every node is labelled {EXCLUDED}" for each in gateways]

    def has_namespace(self, name: str) -> bool:
        """Tell whether there is a namespace of that name."""
        return name in BUILT_IN or Key("v1", "Namespace", "", name) in self.things

    def remove(self, key: Key) -> None:
        """Remove an object; with a namespace goes all that is in it."""
        self.things.pop(key, None)
        for port in [port for port, owner in self.node_ports.items() if owner == key]:
            del self.node_ports[port]
        if key.kind == "Namespace":
            for inside in [other for other in self.things if other.namespace == key.name]:
                self.remove(inside)
            for record in [r for r in self.releases if r[0] == key.name]:
                del self.releases[record]

    def forget(self, name: str) -> None:
        """Be gone when what held the data is gone."""
        if name and name == self.owner:
            self._clear()

    def _clear(self) -> None:
        self.things.clear()
        self.releases.clear()
        self.nodes.clear()
        self.excluded.clear()
        self.node_ports.clear()
        self.owner = self.control_plane = ""

    def snapshot(self) -> dict[str, object]:
        """Return what exists; of secrets their keys only."""
        found: dict[str, object] = {
            "objects": {str(k): stable(_text(t.shown)) for k, t in sorted(_by_name(self.things))},
            "releases": {
                f"{r.namespace}/{r.name}": (r.chart, r.version, r.status, stable(_text(r.values)))
                for _, r in sorted(self.releases.items())
            },
            "nodes": sorted(self.nodes),
        }
        return {kind: things for kind, things in found.items() if things}

    def export(self, folder: Path) -> None:
        """Write each object and each release's values below ``folder``."""
        for key, thing in self.things.items():
            place = key.namespace or "cluster"
            _write(folder / "objects" / place / f"{key.kind}-{key.name}.yaml", thing.shown)
        for release in self.releases.values():
            place = folder / "releases" / release.namespace
            _write(place / f"{release.name}.yaml", release.values)


def _by_name(things: dict[Key, Thing]) -> list[tuple[str, Thing]]:
    return [(str(key), thing) for key, thing in things.items()]


def _text(value: Value) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _write(target: Path, value: Value) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(value), encoding="utf-8", newline="\n")
