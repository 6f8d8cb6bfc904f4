"""What is found: a check, its verdict, and for what is wrong a command and where to run it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    """It will run, and a person should know."""
    BAD = "bad"
    UNKNOWN = "unknown"
    """It could not be told."""


class Place(StrEnum):
    """Where a command is to be run."""

    DEV = "dev"
    """The machine that runs Pulumi."""
    HOST = "host"
    """The KVM host."""


@dataclass(frozen=True)
class Remedy:
    """One step that helps."""

    place: Place
    command: str


@dataclass(frozen=True)
class Finding:
    """One check and what it came to."""

    check: str
    verdict: Verdict
    found: str
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Group:
    """Findings about one thing."""

    title: str
    findings: tuple[Finding, ...]


def here(command: str) -> Remedy:
    """Return a step on the machine that runs Pulumi."""
    return Remedy(Place.DEV, command)


def on_host(command: str) -> Remedy:
    """Return a step on the KVM host."""
    return Remedy(Place.HOST, command)


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Verdict.OK, found)


def warning(check: str, found: str, *remedies: Remedy) -> Finding:
    """Return what a person should know."""
    return Finding(check, Verdict.WARNING, found, remedies)


def bad(check: str, found: str, *remedies: Remedy) -> Finding:
    """Return what is wrong and what helps."""
    return Finding(check, Verdict.BAD, found, remedies)


def unknown(check: str, why: str, *remedies: Remedy) -> Finding:
    """Return that it could not be told."""
    return Finding(check, Verdict.UNKNOWN, why, remedies)


def is_wrong(groups: Iterable[Group]) -> bool:
    """Whether anything has to be done."""
    return any(f.verdict is Verdict.BAD for group in groups for f in group.findings)
