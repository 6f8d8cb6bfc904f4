"""Which generation of the database is in use, and what it was made from.

CloudNativePG restores into a new cluster only, so a restore is another generation: a cluster with
another name. `ampere restore` writes this section, and the next `pulumi up` makes it so.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ampere_infra.settings.types import Archive, Model, Moment

FIRST = "postgresql"


def cluster_name(generation: int) -> str:
    """Return the name of the database cluster of ``generation``, counted from 1."""
    return FIRST if generation == 1 else f"{FIRST}-{generation}"


class Recovery(Model):
    """The generation of the database; `ampere restore` writes it."""

    generation: Annotated[int, Field(strict=True, ge=1, le=9999)] = 1
    """1 is the one that was made empty; each restore makes the next."""
    source: Archive | None = None
    """The archive that this generation is made from; none: it is made empty."""
    to: Moment | None = None
    """The point in time that is restored; none: all that the archive holds."""
    kept: tuple[Archive, ...] = ()
    """Clusters of earlier generations: asleep, with their volumes; one taken out is removed."""

    @property
    def cluster(self) -> str:
        """The name of the database cluster in use."""
        return cluster_name(self.generation)


NEVER = Recovery()
"""Nothing was ever restored."""
