"""The questions that are put to a provider, and its answers in a form that can be compared."""

import re
from dataclasses import dataclass, replace

from ampere_infra.rehearsal.doubles.values import Secret, Unknown, plain
from tests.honesty.client import Refusal

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOTES = {"id", "__meta", "__defaults", "__pulumi_raw_state_delta"}
"""What a provider keeps for itself."""


@dataclass(frozen=True)
class Made:
    """A resource that was made."""

    id: str
    outputs: dict
    inputs: dict


class Session:
    """One provider's answers, by what was asked.

    ``random`` names the properties whose value is never twice the same: only their kind counts.
    """

    def __init__(self, provider, random=()):
        self.provider = provider
        self.random = frozenset(random)
        self.answers = {}

    def note(self, label, answer):
        assert label not in self.answers, f"{label} is asked twice"
        self.answers[label] = self._comparable(answer)

    def planned(self, token, name, inputs):
        """Ask what a preview says, and no more."""
        checked, reasons = self.provider.check(token, name, inputs)
        self.note(f"{name}: check", {"inputs": checked, "reasons": reasons})
        plan = self.provider.create(token, name, checked, preview=True)
        self.note(f"{name}: preview", plan[1] if isinstance(plan, tuple) else plan)
        return checked

    def made(self, token, name, inputs):
        """Make a resource: check, preview, create, read, and look whether that left a change."""
        checked = self.planned(token, name, inputs)
        created = self.provider.create(token, name, checked)
        if isinstance(created, Refusal):
            self.note(f"{name}: create", created)
            return None
        self.note(f"{name}: create", created[1])
        made = Made(created[0], created[1], checked)
        self.note(f"{name}: nothing changed", self.provider.diff(token, name, made, checked))
        return self.again(token, name, made)

    def standing(self, token, name, inputs, found):
        """Return a resource as if it had been made, where making it is not possible here."""
        checked = self.planned(token, name, inputs)
        return Made(f"{name}0", {**checked, **found}, checked)

    def again(self, token, name, made, when="read"):
        """Read a resource back and look whether the program would change it then."""
        answer = self.provider.read(token, name, made)
        if isinstance(answer, Refusal):
            self.note(f"{name}: {when}", answer)
            return made
        read = Made(*answer)
        self.note(f"{name}: {when}", {"there": bool(read.id), "outputs": read.outputs})
        if read.id:
            difference = self.provider.diff(token, name, read, made.inputs)
            self.note(f"{name}: {when}, then changed", difference)
        return made

    def refused(self, token, name, inputs):
        """Ask for what cannot be; whether Check or Create says so counts as well."""
        checked, reasons = self.provider.check(token, name, inputs)
        self.note(f"{name}: check", {"reasons": reasons})
        if not reasons:
            created = self.provider.create(token, name, checked)
            self.note(f"{name}: create", created[1] if isinstance(created, tuple) else created)

    def changed(self, token, name, made, changes):
        """Ask what each of ``changes`` would do; a value of ``...`` takes the input away."""
        for label, change in changes.items():
            new = {**_given(made), **change}
            kept = {key: value for key, value in new.items() if value is not ...}
            checked, reasons = self.provider.check(token, name, kept, made.inputs)
            assert not reasons, f"{name}, {label}: {reasons}"
            self.note(f"{name}: {label}", self.provider.diff(token, name, made, checked))

    def updated(self, token, name, made, change):
        """Change a resource in place."""
        checked, _ = self.provider.check(token, name, {**_given(made), **change}, made.inputs)
        answer = self.provider.update(token, name, made, checked)
        self.note(f"{name}: update {', '.join(change)}", answer)
        return (
            made if isinstance(answer, Refusal) else replace(made, outputs=answer, inputs=checked)
        )

    def deleted(self, token, name, made, when="delete"):
        self.note(f"{name}: {when}", self.provider.delete(token, name, made))

    def gone(self, token, name, made):
        """Read and delete what is not there."""
        answer = self.provider.read(token, name, made)
        self.note(f"{name}: read when gone", answer if isinstance(answer, Refusal) else answer[0])
        self.deleted(token, name, made, "delete when gone")

    def _comparable(self, value, key=""):
        match value:
            case Refusal(text, left):
                kept = {} if left is None else {"left": self._comparable(left)}
                return {"refused": _core(text), **kept}
            case Secret(Unknown()):
                return "<unknown>"  # the engine itself marks what will be secret
            case Secret(inside):
                return {"secret": self._comparable(plain(inside), key)}
            case dict():
                items = ((k, self._comparable(v, k)) for k, v in value.items() if k not in NOTES)
                return {k: v for k, v in items if not _is_nothing(v)}
            case list():
                return [_core(v) if key == "reasons" else self._comparable(v) for v in value]
            case _:
                return self._scalar(value, key)

    def _scalar(self, value, key):
        if isinstance(value, Unknown):
            return "<unknown>"
        if key in self.random and value is not None:
            return f"<{type(value).__name__}>"
        return UUID.sub("<uuid>", value) if isinstance(value, str) else value


def _given(made):
    return {key: value for key, value in made.inputs.items() if key not in NOTES}


def _is_nothing(value):
    """What the engine and the program cannot tell from a property that is not there."""
    return value is None or value in ("", [], {})


def _core(text):
    """Return an error's own words, without the frame that the bridge puts around them."""
    text = re.sub(r"^(creating|updating|deleting|refreshing) urn:\S+: ", "", text)
    text = re.sub(r"^\d+ errors? occurred:\s+\* ", "", text.strip())
    text = re.sub(r" -\s+<[\s\S]*$", "", text)
    return UUID.sub("<uuid>", text).strip()
