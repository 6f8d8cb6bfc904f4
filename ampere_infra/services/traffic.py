"""The table of who may talk to whom in a cluster, with its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ampere_infra.platform.traffic import Flow, Outside, Pods, Port
from ampere_infra.settings.traffic import API, FRONT, NODES, pod_set

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ampere_infra.platform.traffic import Network
    from ampere_infra.settings.traffic import Flow as Row


@dataclass(frozen=True)
class Addresses:
    """The addresses that are no pods'."""

    api: Network
    """The API server's node alone, as pods reach it."""
    nodes: Network
    """The nodes' own addresses; of a single node its address alone."""
    pods: Network
    front: Network | None = None
    """The host whose NGINX serves the names, as the nodes see it: behind NAT their gateway."""


def traffic(rows: Iterable[Row], addresses: Addresses) -> tuple[Flow, ...]:
    """Return the table of ``rows``, with ``addresses`` in it.

    Raises:
        ValueError: a row is about the front of a cluster that has none.
    """
    return tuple(
        Flow(
            row.name,
            _end(row.source, addresses),
            _end(row.target, addresses),
            tuple(Port(number, row.protocol) for number in row.ports),
            row.why,
        )
        for row in rows
    )


def _end(end: str, addresses: Addresses) -> Pods | Outside:
    if pods := pod_set(end):
        return Pods(pods.namespace, pods.labels, pods.name)
    known = {
        API: (addresses.api,),
        # The API server's packets come from its node, through the tunnel from the address that the
        # node has in the pod network; Cilium matches neither range with a pod.
        NODES: (addresses.nodes, addresses.pods),
        **({FRONT: (addresses.front,)} if addresses.front is not None else {}),
    }
    return Outside(known[end] if end in known else (IPv4Network(end),))
