"""The values of dbt's chart: pure, so that they can be judged before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampere_infra.platform.quantity import quantity
from ampere_infra.settings.types import MIB

if TYPE_CHECKING:
    import pulumi

    from ampere_infra.settings.services import Dbt

PYTHON = 512 * MIB
"""What a task's pod has besides DuckDB's memory, in bytes: for Python and dbt themselves."""


@dataclass(frozen=True)
class ChartFacts:
    """What the values depend on."""

    settings: Dbt
    image: str
    config_map: pulumi.Input[str]
    secret: pulumi.Input[str]
    """What a task has in its environment: a ConfigMap and a Secret, by name."""


def values(facts: ChartFacts) -> dict[str, Any]:
    """Return the chart's values."""
    memory = quantity(facts.settings.memory + PYTHON)
    return {
        "image": facts.image,
        "configMap": facts.config_map,
        "existingSecret": facts.secret,
        "scratch": quantity(facts.settings.scratch),
        "resources": {
            "requests": {"cpu": "200m", "memory": memory},
            "limits": {"memory": memory},
        },
    }
