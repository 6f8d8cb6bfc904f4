"""What the second S3 target holds, as the survey of the MinIO chart's Job prints it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ampere_infra.settings.moments import spelled_moment
from ampere_infra.settings.recovery import FIRST

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Contents:
    """What is in a bucket."""

    bucket: str
    objects: int
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Copy:
    """A whole copy of MinIO's buckets."""

    stamp: str
    finished: datetime
    buckets: tuple[Contents, ...]


@dataclass
class Archive:
    """The base backups and the write-ahead log of one database cluster."""

    name: str
    bases: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    until: datetime | None = None
    """When the youngest piece of the log arrived."""

    @property
    def generation(self) -> int:
        """Which generation of the database it is of."""
        number = self.name.removeprefix(FIRST).removeprefix("-")
        return int(number) if number else 1

    def finished(self) -> list[datetime]:
        """Return when each usable base backup was finished, in order."""
        done = (facts for facts in self.bases.values() if facts.get("status") == "DONE")
        return sorted(_of_barman(facts["end_time"]) for facts in done if "end_time" in facts)

    def base_before(self, when: datetime) -> datetime | None:
        """Return the end of the last base backup before ``when``."""
        return max((end for end in self.finished() if end <= when), default=None)


@dataclass
class Catalogue:
    """All that can be restored, and what is there now."""

    now: list[Contents] = field(default_factory=list[Contents])
    copies: list[Copy] = field(default_factory=list[Copy])
    archives: dict[str, Archive] = field(default_factory=dict[str, Archive])

    def copy_before(self, when: datetime) -> Copy | None:
        """Return the last copy of MinIO that was finished before ``when``."""
        fitting = [copy for copy in self.copies if copy.finished <= when]
        return max(fitting, key=lambda copy: copy.finished, default=None)

    def archive_before(self, when: datetime) -> Archive | None:
        """Return the archive of the youngest generation that was backed up before ``when``."""
        fitting = [a for a in self.archives.values() if a.base_before(when) is not None]
        return max(fitting, key=lambda archive: archive.generation, default=None)


def read(lines: Iterable[str]) -> Catalogue:
    """Return what the survey's output says; lines that are not its own are passed over."""
    found = Catalogue()
    for line in lines:
        kind, _, rest = line.strip().partition(" ")
        match kind:
            case "@now":
                found.now.append(_contents(json.loads(rest)))
            case "@copy":
                found.copies.append(_copy(json.loads(rest)))
            case "@base":
                server, base, fact = rest.split(" ", 2)
                key, _, value = fact.partition("=")
                _archive(found, server).bases.setdefault(base, {})[key] = value.strip()
            case "@wal":
                server, _, entry = rest.partition(" ")
                when = str(json.loads(entry)["lastModified"])
                _archive(found, server).until = datetime.fromisoformat(when).astimezone(UTC)
            case _:
                pass
    return found


def _archive(found: Catalogue, name: str) -> Archive:
    return found.archives.setdefault(name, Archive(name))


def _contents(fact: dict[str, object]) -> Contents:
    return Contents(str(fact["bucket"]), int(str(fact["objects"])), int(str(fact["size"])))


def _copy(fact: dict[str, list[dict[str, object]]]) -> Copy:
    stamp, finished = str(fact["copy"]), str(fact["finished"])
    buckets = tuple(_contents(bucket) for bucket in fact["buckets"])
    return Copy(stamp, datetime.fromisoformat(finished).astimezone(UTC), buckets)


def _of_barman(text: str) -> datetime:
    """Return a time of a ``backup.info``: ISO 8601, or as C's ``ctime`` writes it, in UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def told_oldest(times: Iterable[datetime]) -> str:
    """Return the first of ``times`` in words."""
    first = min(times, default=None)
    return f"the oldest is of {spelled_moment(first)}" if first else "there is none at all"
