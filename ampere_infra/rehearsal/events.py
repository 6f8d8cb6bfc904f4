"""What the engine reports while it works: the steps it takes and what it says about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

UNCHANGED = frozenset({"same", "read", "refresh"})


def type_chain(urn: str) -> str:
    """Return the types of a resource and of its owners, outermost first: ``a:b:C$d:e:F``."""
    return urn.split("::")[2]


def name_of(urn: str) -> str:
    """Return a resource's name in the program."""
    return urn.split("::", 3)[3]


@dataclass(frozen=True)
class Step:
    """One step of the engine on one resource."""

    op: str
    """``create``, ``same``, ``update``, ``create-replacement``, ``delete``, ..."""
    urn: str
    parent: str
    """The URN of the resource it belongs to, or nothing for the stack itself."""
    changed: tuple[str, ...]
    """The top-level inputs that make it more than ``same``."""
    protected: bool

    @property
    def type(self) -> str:
        """The type token, such as ``libvirt:index/domain:Domain``."""
        return type_chain(self.urn).rpartition("$")[2]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return name_of(self.urn)

    @property
    def default_provider(self) -> bool:
        """Whether the resource is a provider that the engine made by itself."""
        return self.type.startswith("pulumi:providers:") and self.name.startswith("default")

    @property
    def changes(self) -> bool:
        """Whether the step is more than a look at the resource."""
        return self.op not in UNCHANGED


@dataclass(frozen=True)
class Diagnostic:
    """One message about a resource, or about the whole run."""

    severity: str
    """``info``, ``warning`` or ``error``."""
    urn: str
    text: str


@dataclass
class Events:
    """Everything that the engine reported of one operation, in order."""

    planned: list[Step] = field(default_factory=list[Step])
    done: list[Step] = field(default_factory=list[Step])
    failed: list[Step] = field(default_factory=list[Step])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    counts: Counter[str] = field(default_factory=Counter[str])
    """The engine's own summary: how many resources of each ``op``."""
    raw: list[str] = field(default_factory=list[str], repr=False)
    """Each event as the engine sent it, except what it says for its developers only."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that are more than a look, in the order in which the engine took them.

        The engine makes default providers by itself and counts them nowhere.
        """
        return tuple(step for step in self.planned if step.changes and not step.default_provider)

    def add(self, event: Mapping[str, Any], raw: str = "") -> Step | None:
        """Take in one event of the engine's log; return the step that it says is done, if any."""
        if event.get("diagnosticEvent", {}).get("severity") == "debug":
            return None
        self.raw.append(raw)
        if body := event.get("resourcePreEvent"):
            self.planned.append(_step(body))
        elif body := event.get("resOutputsEvent"):
            self.done.append(_step(body))
            return self.done[-1]
        elif body := event.get("resOpFailedEvent"):
            self.failed.append(_step(body))
        elif body := event.get("diagnosticEvent"):
            self._diagnose(body)
        elif body := event.get("summaryEvent"):
            self.counts.update(cast("dict[str, int]", body.get("resourceChanges") or {}))
        return None

    def _diagnose(self, body: Mapping[str, Any]) -> None:
        if not body.get("ephemeral"):
            severity = str(body["severity"]).partition("#")[0]
            self.diagnostics.append(Diagnostic(severity, body.get("urn", ""), body["message"]))


def _step(body: Mapping[str, Any]) -> Step:
    metadata: Mapping[str, Any] = body["metadata"]
    old: Mapping[str, Any] = metadata.get("old") or {}
    new: Mapping[str, Any] = metadata.get("new") or {}
    changed: list[str] = metadata.get("diffs") or []
    return Step(
        op=metadata["op"],
        urn=metadata["urn"],
        parent=new.get("parent") or old.get("parent") or "",
        changed=tuple(changed),
        protected=bool((old or new).get("protect")),
    )
