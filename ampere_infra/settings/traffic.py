"""Rows of the table of who may talk to whom, as they are written in a stack file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ampere_infra.settings.addresses import OCTETS, read_network
from ampere_infra.settings.types import DnsLabel, Model, matching
from ampere_infra.settings.written import Written

EVERYWHERE = "*"
"""The pods of each namespace that has policies."""
API, FRONT, NODES = "@api", "@front", "@nodes"
"""The API server's address; the host whose NGINX serves the names; the nodes, and their addresses
in the pods' network, which the API server calls from."""

_NAMESPACE = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL = rf"(?:[a-z0-9.-]{{1,253}}/)?{_VALUE}={_VALUE}"
_PODS = rf"{_NAMESPACE}(?:/{_LABEL}(?:,{_LABEL})*)?"
_ENDS = matching(
    rf"\*|{API}|{FRONT}|{NODES}|{_PODS}|{OCTETS}/[0-9]{{1,2}}",
    f"write pods as NAMESPACE/LABEL=VALUE, a network, {EVERYWHERE}, {API}, {FRONT} or {NODES}",
    "airflow/app=notebook",
)


def _is_network(end: str) -> bool:
    return re.match(OCTETS, end) is not None


def _read_end(text: str) -> object:
    return str(read_network(text)) if _is_network(text) else _ENDS.read(text)


End = Annotated[str, Written(_read_end, _ENDS.pattern, _ENDS.example)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Why = Annotated[
    str, matching(r"\S(?:.{0,118}\S)?\.", "write a short sentence", "Notebooks read tables.")
]


class Flow(Model):
    """One row: connections that are allowed, and why."""

    name: DnsLabel
    """What the row is called; policies name it."""
    source: End
    """Who connects: pods by their labels, or addresses."""
    target: End
    """Whom they connect to."""
    ports: Annotated[tuple[Port, ...], Field(min_length=1)]
    """The ports of the target's pods, or of the target's host."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """What is spoken there."""
    why: Why
    """What it is for, in a sentence."""


class Traffic(Model):
    """Who may talk to whom beside the product's own rows, which docs/services.md lists."""

    flows: tuple[Flow, ...] = ()
    """Rows of your own."""


@dataclass(frozen=True)
class PodSet:
    """Pods as an end of a row names them."""

    namespace: str | None
    """None: each namespace that has policies."""
    labels: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """What their policy is called; ``default`` is that of all pods of a namespace."""
        said = [key.rpartition("/")[2] if value == "true" else value for key, value in self.labels]
        return "-".join(said).lower().replace("_", "-") or "default"


def pod_set(end: str) -> PodSet | None:
    """Return the pods that ``end`` names; none where it names addresses."""
    if end in (API, FRONT, NODES) or _is_network(end):
        return None
    namespace, _, labels = end.partition("/")
    pairs = [label.partition("=") for label in labels.split(",") if label]
    found = tuple((key, value) for key, _, value in pairs)
    return PodSet(None if namespace == EVERYWHERE else namespace, found)
