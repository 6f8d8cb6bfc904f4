"""What each namespace may take: a share of what there is for pods, or what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from ampere_infra.settings.namespaces import (
    AIRFLOW,
    API,
    CERT_MANAGER,
    ENVOY_GATEWAY,
    GATEWAY,
    LOCAL_PATH,
    MINIO,
    OPERATOR,
    POSTGRESQL,
    WEBSITE,
)
from ampere_infra.settings.types import MIB, Cpu, Model, Processors, Size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEPT = (Cpu(300), Size(1024 * MIB))
"""Of each node, for the system, the kubelet, Cilium, and what the kubelet evicts pods for."""
KEPT_BY_CONTROL_PLANE = (Cpu(850), Size(1024 * MIB))
"""Beside it, of a node that is the control plane too: what kubeadm's static pods and CoreDNS ask
for, https://github.com/kubernetes/kubernetes/tree/v1.36.3/cmd/kubeadm/app/phases, and the memory
that the API server, etcd and the controllers use, for which they do not ask."""
_ROUND = (10, 64 * MIB)


class Quota(Model):
    """The most that a namespace's pods may ask for together."""

    cpu: Processors | None = None
    """Thousandths of a processor; none: a share of what there is for pods."""
    memory: Size | None = None
    """None: a share of what there is for pods."""
    pods: Annotated[int, Field(strict=True, ge=1, le=500)] = 20
    """How many pods there may be at once."""


class Quotas(Model):
    """A quota for each namespace of the platform at home."""

    airflow: Quota = Quota(pods=40)
    """Airflow and its tasks: half of the workers."""
    postgresql: Quota = Quota()
    """The database's instances: a fifth."""
    minio: Quota = Quota()
    """The object store: a tenth."""
    operator: Quota = Quota()
    """The database's operator, in ``cnpg-system``: a twentieth."""
    storage: Quota = Quota()
    """The volumes' provisioner, in ``local-path-storage``: a twentieth."""


class PublicQuotas(Model):
    """A quota for each namespace of the public cluster."""

    api: Quota = Quota(pods=30)
    """The API: two fifths of the server."""
    website: Quota = Quota(pods=30)
    """The website: a fifth."""
    envoy: Quota = Quota()
    """Envoy and the gateway's controller, in ``envoy-gateway-system``: a fifth."""
    certificates: Quota = Quota()
    """cert-manager: a tenth."""
    challenges: Quota = Quota()
    """The pods that answer Let's Encrypt's questions, in ``gateway``: a twentieth."""
    storage: Quota = Quota()
    """The volumes' provisioner, in ``local-path-storage``: a twentieth."""


@dataclass(frozen=True)
class Share:
    """One namespace's part."""

    section: str
    """Its key below ``ampere:quotas``."""
    twentieths: int
    """Its part of what there is for pods, where nothing is written."""
    cpu: Cpu
    memory: Size
    """What the product's own pods ask for at once, in the middle of an upgrade."""


_STORAGE = Share("storage", 1, Cpu(60), Size(128 * MIB))
HOME = {
    AIRFLOW: Share("airflow", 10, Cpu(1500), Size(5504 * MIB)),
    POSTGRESQL: Share("postgresql", 4, Cpu(640), Size(1664 * MIB)),
    MINIO: Share("minio", 2, Cpu(120), Size(576 * MIB)),
    OPERATOR: Share("operator", 1, Cpu(100), Size(256 * MIB)),
    LOCAL_PATH: _STORAGE,
}

POD = (Cpu(50), Size(64 * MIB))
"""What a pod of the API or of the website asks for."""


def public(api_pods: int, website_pods: int) -> dict[str, Share]:
    """Return the public cluster's parts.

    Args:
        api_pods: how many pods of the API there may be at once, but for an update's one more.
        website_pods: the same of the website.
    """
    return {
        API: _behind_gateway("api", 8, api_pods),
        WEBSITE: _behind_gateway("website", 4, website_pods),
        ENVOY_GATEWAY: Share("envoy", 4, Cpu(360), Size(704 * MIB)),
        CERT_MANAGER: Share("certificates", 2, Cpu(140), Size(448 * MIB)),
        GATEWAY: Share("challenges", 1, Cpu(40), Size(256 * MIB)),
        LOCAL_PATH: _STORAGE,
    }


def _behind_gateway(section: str, twentieths: int, pods: int) -> Share:
    cpu, memory = POD
    return Share(section, twentieths, Cpu((pods + 1) * cpu), Size((pods + 1) * memory))


@dataclass(frozen=True)
class Allowance:
    """What a namespace's pods may ask for together."""

    cpu: Cpu
    memory: Size
    pods: int


class Shared(Protocol):
    """Settings of a cluster whose machines are shared out."""

    @property
    def quotas(self) -> Model:
        """What is written, by section."""
        ...

    @property
    def shares(self) -> Mapping[str, Share]:
        """Each namespace's part."""
        ...

    @property
    def for_pods(self) -> tuple[Cpu, Size]:
        """What all machines have for pods of services."""
        ...


def beyond(machines: Iterable[tuple[int, int]], *kept: tuple[Cpu, Size]) -> tuple[Cpu, Size]:
    """Return what ``machines``, in processors and bytes, have together beyond what each keeps."""
    cpu, memory = (sum(each[i] for each in kept) for i in (0, 1))
    known = list(machines)
    return (
        Cpu(sum(max(0, 1000 * cores - cpu) for cores, _ in known)),
        Size(sum(max(0, size - memory) for _, size in known)),
    )


def allowances(settings: Shared) -> dict[str, Allowance]:
    """Return what the pods of each namespace may ask for together."""
    return {name: allowance(settings, name) for name in settings.shares}


def allowance(settings: Shared, namespace: str) -> Allowance:
    """Return what the pods of ``namespace`` may ask for together.

    Where nothing is written it is at least what the product's own pods need, on however small a
    machine.
    """
    share = settings.shares[namespace]
    quota: Quota = getattr(settings.quotas, share.section)
    cpu, memory = (
        max(least, whole * share.twentieths // 20 // unit * unit)
        for whole, unit, least in zip(
            settings.for_pods, _ROUND, (share.cpu, share.memory), strict=True
        )
    )
    return Allowance(quota.cpu or Cpu(cpu), quota.memory or Size(memory), quota.pods)
