"""Checks of the quotas: what is written lets the product run, and is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.settings.checks.common import ClusterSettings
    from ampere_infra.settings.mistakes import Mistake


def quotas_hold_the_product(s: ClusterSettings) -> Iterator[Mistake]:
    """A namespace's own pods find room in its quota, also while they are replaced."""
    for namespace, share in s.shares.items():
        quota = getattr(s.quotas, share.section)
        for key in ("cpu", "memory"):
            value, least = getattr(quota, key), getattr(share, key)
            if value is not None and value < least:
                remedy = f"is less than the pods of {namespace} ask for; use at least {least}"
                yield wrong(value, remedy, "quotas", share.section, key)


def quotas_are_there(s: ClusterSettings) -> Iterator[Mistake]:
    """No quota promises what all machines together have not, as far as they are known."""
    for share in s.shares.values():
        quota = getattr(s.quotas, share.section)
        for key, most in zip(("cpu", "memory"), s.for_pods, strict=True):
            value = getattr(quota, key)
            if value is not None and value > most > 0:
                remedy = f"is more than there is for pods, {most}; use less"
                yield wrong(value, remedy, "quotas", share.section, key)


CHECKS = (quotas_hold_the_product, quotas_are_there)
