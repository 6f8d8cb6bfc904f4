"""Cross-checks of the ``foundation`` stack."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import wrong
from ampere_infra.settings.mistakes import Mistake, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ampere_infra.settings.foundation import FoundationSettings

SIZES = (2048, 3072, 4096)
"""The RSA keys that Key Vault makes."""
LAST_WEEK = 7
"""Days: Key Vault rotates no later than this before a version expires."""
SHORTEST_LIFE = 28
"""Days: Key Vault lets no version expire sooner."""
MOST_CREDENTIALS = 20
"""An identity in Entra has at most so many federated credentials."""


def _key_size(s: FoundationSettings) -> Iterator[Mistake]:
    if s.key.bits not in SIZES:
        nearest = min(SIZES, key=lambda size: abs(size - s.key.bits))
        yield wrong(s.key.bits, f"is no size of a key; did you mean {nearest}?", "key", "bits")


def _life_of_a_version(s: FoundationSettings) -> Iterator[Mistake]:
    life = s.key.expire_after_days
    if life is not None and life < SHORTEST_LIFE:
        remedy = f"is too short for Key Vault; write {SHORTEST_LIFE} or more"
        yield wrong(life, remedy, "key", "expire_after_days")


def _rotation_before_expiry(s: FoundationSettings) -> Iterator[Mistake]:
    life, rotation = s.key.expire_after_days, s.key.rotate_after_days
    if life is not None and life >= SHORTEST_LIFE and rotation > life - LAST_WEEK:
        remedy = (
            f"leaves no week until a version expires after {life} days; "
            f"write {life - LAST_WEEK} or less"
        )
        yield wrong(rotation, remedy, "key", "rotate_after_days")


def _ids_are_of_different_things(s: FoundationSettings) -> Iterator[Mistake]:
    if s.azure.subscription_id == s.azure.tenant_id:
        remedy = "is the tenant's id; write the subscription's"
        yield wrong(s.azure.subscription_id, remedy, "azure", "subscription_id")


def _developers_are_people(s: FoundationSettings) -> Iterator[Mistake]:
    others = {s.azure.tenant_id: "the tenant's", s.azure.subscription_id: "the subscription's"}
    for index, person in enumerate(s.developers.object_ids):
        if person in others:
            remedy = f"is {others[person]} id; write a user's object id"
            yield wrong(person, remedy, "developers", "object_ids", index)


def _nobody_twice(s: FoundationSettings) -> Iterator[Mistake]:
    yield from _repeated(s.developers.object_ids, "developers", "object_ids")


def _no_branch_twice(s: FoundationSettings) -> Iterator[Mistake]:
    yield from _repeated(s.github.branches, "github", "branches")


def _no_environment_twice(s: FoundationSettings) -> Iterator[Mistake]:
    yield from _repeated(s.github.environments, "github", "environments")


def _repeated(values: Sequence[str], *location: str) -> Iterator[Mistake]:
    seen: Counter[str] = Counter()
    for index, value in enumerate(values):
        if seen[value]:
            yield wrong(value, "stands here twice; remove one", *location, index)
        seen[value] += 1


def _somebody_deploys(s: FoundationSettings) -> Iterator[Mistake]:
    if not s.github.branches and not s.github.environments:
        remedy = "is empty, and so are the environments: no workflow could deploy; write [main]"
        yield Mistake(path_of(("github", "branches")), "[]", remedy)


def _few_enough_credentials(s: FoundationSettings) -> Iterator[Mistake]:
    count = len(s.github.branches) + len(s.github.environments)
    if count > MOST_CREDENTIALS:
        remedy = (
            f"there are {count} with the environments, but an identity has at most "
            f"{MOST_CREDENTIALS} credentials; let jobs share an environment"
        )
        yield Mistake(path_of(("github", "branches")), "", remedy)


CHECKS = (
    _ids_are_of_different_things,
    _key_size,
    _life_of_a_version,
    _rotation_before_expiry,
    _developers_are_people,
    _nobody_twice,
    _somebody_deploys,
    _no_branch_twice,
    _no_environment_twice,
    _few_enough_credentials,
)
