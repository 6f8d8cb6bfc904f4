"""Airflow's components: which there are, how big each may get, and which may ask Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ampere_infra.platform.quantity import quantity
from ampere_infra.settings.services import TASK_MEMORY, scheduler_memory
from ampere_infra.settings.types import Size

if TYPE_CHECKING:
    from ampere_infra.settings.services import Airflow as AirflowSettings

OFF = {"enabled": False}
ONE = {"replicas": 1, "logGroomerSidecar": OFF}
NO_TOKEN = {"serviceAccount": {"automountServiceAccountToken": False}}


def sized(cpu: str, memory: str, limit: str) -> dict[str, Any]:
    """Return what a container asks for and may take; a processor's idle time is anybody's."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def components(settings: AirflowSettings) -> dict[str, Any]:
    """Return the values of everything that runs.

    The scheduler, the triggerer and the workers start pods for tasks, so they keep the token of
    their service account; the API server reads the logs of pods only where tasks are pods.
    """
    pods = settings.executor == "KubernetesExecutor"
    scheduler = quantity(scheduler_memory(settings))
    return {
        **_without(),
        "scheduler": {**ONE, "resources": sized("200m", "768Mi", scheduler)},
        "dagProcessor": {
            **ONE,
            **NO_TOKEN,
            "enabled": True,
            "resources": sized("100m", "384Mi", "1Gi"),
        },
        "triggerer": {**ONE, "persistence": OFF, "resources": sized("50m", "256Mi", "768Mi")},
        "apiServer": {
            "replicas": 1,
            "allowPodLogReading": pods,
            **({} if pods else NO_TOKEN),
            "resources": sized("200m", "768Mi", "1536Mi"),
        },
        "workers": {
            "persistence": OFF,
            "kubernetes": {"resources": sized("100m", quantity(Size(TASK_MEMORY)), "2Gi")},
        },
    }


def _without() -> dict[str, Any]:
    """Switch off what the platform has itself, or what only other executors need."""
    return {
        "postgresql": OFF,
        # A handful of processes on one database: their own pools of connections are enough.
        "pgbouncer": OFF,
        "redis": OFF,
        "flower": OFF,
        "statsd": OFF,
        # Logs go to the object store, so no component needs a volume.
        "logs": {"persistence": OFF},
    }
