"""The values of what serves requests: pure, so that they can be judged before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pulumi

    from ampere_infra.settings.edge import Workload


def values(settings: Workload, pull_secret: pulumi.Input[str]) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "image": settings.image,
        "existingPullSecret": pull_secret,
        "port": settings.port,
        "probes": {"health": settings.health_path, "ready": settings.ready_path},
        "replicas": settings.replicas,
        "autoscaling": {"maxReplicas": settings.max_replicas or 0, "cpu": 70},
    }
