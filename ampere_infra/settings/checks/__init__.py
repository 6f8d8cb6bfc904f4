"""Cross-checks: what no single value shows. Each is a small function that yields mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.checks import (
    api,
    foundation,
    host,
    machines,
    networks,
    quotas,
    services,
    traffic,
    versions,
)
from ampere_infra.settings.checks.common import listed
from ampere_infra.settings.foundation import FoundationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.mistakes import Mistake

CHECKS = (
    *host.CHECKS,
    *networks.CHECKS,
    *machines.CHECKS,
    *versions.CHECKS,
    *services.CHECKS,
    *quotas.CHECKS,
    *traffic.CHECKS,
)


def cross_check(
    settings: HomeSettings | FoundationSettings | ApiSettings, *, whole: bool = True
) -> Iterator[Mistake]:
    """Yield the mistakes that show between the values of ``settings``.

    Where ``settings`` is not ``whole``, because some of it did not parse, a check that asks for a
    missing part says nothing.
    """
    if isinstance(settings, FoundationSettings):
        for judge in foundation.CHECKS:
            yield from _results(lambda judge=judge: judge(settings), whole=whole)
        return
    if isinstance(settings, ApiSettings):
        for own in api.CHECKS:
            yield from _results(lambda own=own: own(settings), whole=whole)
        return
    for check in CHECKS:
        yield from _results(lambda check=check: check(settings), whole=whole)
    for at, machine in listed(settings):
        for each in machines.EACH:
            yield from _results(
                lambda each=each, at=at, machine=machine: each(settings, at, machine), whole=whole
            )


def _results(check: Callable[[], Iterable[Mistake]], *, whole: bool) -> list[Mistake]:
    found: list[Mistake] = []
    try:
        found.extend(check())
    except AttributeError:
        if whole:
            raise
    return found
