"""Every secret that a stack was given or made, as texts to look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ampere_infra.bootstrap.api_server import encryption_key
from ampere_infra.rehearsal.leaks import Canary, canaries, generated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.rehearsal.stage import Stage


def stack_secrets(stage: Stage, shown: dict[str, Any]) -> Iterator[Canary]:
    """Return those of a stack whose state was exported with its secrets ``shown``."""
    project = stage.project
    for name, value in project.secrets.items():
        yield from canaries(name, value)
    yield from generated(shown)
    for drawn in [c for c in generated(shown) if "-encryption-key-" in c.name]:
        yield from canaries("key of Secrets in etcd", encryption_key(drawn.text))
    yield from canaries("passphrase", stage.engine.passphrase)
    for key in project.private.glob("id_ed25519"):
        yield from canaries("SSH key", key.read_text())
