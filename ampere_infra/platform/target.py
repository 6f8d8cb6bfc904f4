"""The cluster that components deploy to, as a stack hands it to each of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ampere_infra.platform.records import ReleaseRecords
    from ampere_infra.platform.traffic import Flow
    from ampere_infra.settings.quotas import Allowance


@dataclass(frozen=True)
class Target:
    """What all components in one cluster share; the provider comes with their options."""

    traffic: tuple[Flow, ...]
    """The table of who may talk to whom; a Namespace takes its rows from it."""
    release_timeout: int
    """How long a release may take until it is ready, in seconds."""
    records: ReleaseRecords | None = None
    """Clears away what an interrupted release left; None where nothing is ever installed."""
    lifetime: pulumi.Resource | None = None
    """What the cluster dies with: its objects are then not deleted one by one."""
    gates: tuple[pulumi.Resource, ...] = ()
    """What must be ready before a release may start, such as the nodes it needs."""
    allowances: Mapping[str, Allowance] = field(default_factory=dict[str, "Allowance"])
    """What each namespace's pods may ask for together; a Namespace takes its own."""
    charts: Path = Path("charts")
    """Where our own charts lie, relative to the project's folder."""

    def after(self, *gates: pulumi.Resource) -> Target:
        """Return the same cluster for what has to wait for ``gates`` as well."""
        return replace(self, gates=(*self.gates, *gates))

    def child(
        self, parent: pulumi.Resource, gates: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Return the options of an object in the cluster that is part of ``parent``."""
        return pulumi.ResourceOptions(
            parent=parent, deleted_with=self.lifetime, depends_on=list(gates)
        )
