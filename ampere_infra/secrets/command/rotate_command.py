"""``ampere secrets rotate``: a new data key, or a new value of one secret."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.command import asking, store
from ampere_infra.secrets.command.place import FINE, Place, WrongInputError, say

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from ampere_infra.secrets.model import StackSecrets


def run(place: Place, chosen: argparse.Namespace) -> int:
    """Renew the data key, or the secret that was named."""
    model = store.model_of(chosen.stack)
    path = place.file(chosen.stack)
    shown = place.shown(path)
    if chosen.name is None:
        if path.exists():
            rules.of(path)
        if sops.update_keys(path):
            say(f"{shown}: sealed for those whom .sops.yaml names")
        sops.rotate(path)
        say(f"{shown}: sealed with a new data key; who had a copy of the file can still open that")
        return FINE
    _renew(model, path, chosen.name)
    say(f"{shown}: {chosen.name} has a new value; `pulumi up -s {chosen.stack}` puts it to use")
    model.parse(sops.decrypt(path), shown)
    return FINE


def _renew(model: type[StackSecrets], path: Path, name: str) -> None:
    kinds = model.kinds()
    if name not in kinds:
        close = get_close_matches(name, kinds, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(kinds)}"
        raise WrongInputError(f"no secret is called {name}: {hint}")
    held = sops.decrypt(path)
    old, kind = held.pop(name, None), kinds[name]
    value = asking.obtain(model, [name]).get(name) if kind.given else kind.make()
    if value is None:
        raise WrongInputError(f"{name} got no value; nothing was changed")
    if value == old:
        raise WrongInputError(f"{name} has this value already; nothing was changed")
    if wrong := list(store.clashes({name: value}, held)):
        raise WrongInputError(*wrong)
    if isinstance(old, str) and kind.takes(old):
        value = kind.renewed(value, old)
    sops.set_value(path, name, value)
