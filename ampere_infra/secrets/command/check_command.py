"""``ampere secrets check``: what a hook before each commit, and CI, run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.secrets.command import seen
from ampere_infra.secrets.command.place import FAILED, FINE, Place, complain, say

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Check every file; what did not change since it was found fine is not opened again."""
    required = [place.file(stack) for stack in dict.fromkeys(chosen.stacks)]
    paths = files(place)
    if absent := [path for path in required if path not in paths]:
        _complain_of(place, chosen.stacks, absent)
    digests = seen.digests(paths)
    known = seen.recall(place.checked)
    unchanged = [path for path in paths if digests[path] in known]
    for path in unchanged:
        say(f"{place.shown(path)}: fine, as before")
    to_judge = [path for path in paths if path not in unchanged]
    fine = list(unchanged)
    if to_judge:
        # Only now: what opens and judges takes longer to import than all of the above.
        from ampere_infra.secrets.command.judge import judge  # noqa: PLC0415

        fine += judge(place, to_judge, without_keys=chosen.without_keys)
    if to_judge and not chosen.without_keys:
        seen.remember(place.checked, {path: digests[path] for path in fine})
    if not paths and not absent:
        say("there are no files of secrets yet")
    return FINE if len(fine) == len(paths) and not absent else FAILED


def files(place: Place) -> list[Path]:
    """Return every file in the folder of secrets."""
    found = place.secrets.rglob("*") if place.secrets.is_dir() else ()
    return sorted(p for p in found if not p.is_dir() and not _harmless(p))


def _harmless(path: Path) -> bool:
    return path.name == ".sops.yaml" or (path.name == ".gitkeep" and not path.stat().st_size)


def _complain_of(place: Place, stacks: list[str], absent: list[Path]) -> None:
    from ampere_infra.secrets.command.store import model_of  # noqa: PLC0415

    for stack in stacks:
        model_of(stack)
        if place.file(stack) in absent:
            complain(
                f"{place.shown(place.file(stack))} is not there: `ampere secrets init {stack}`"
            )
