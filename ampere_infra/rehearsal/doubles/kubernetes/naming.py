"""What objects are called, and which of the SDK's classes knows them."""

from __future__ import annotations

import uuid
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kind import Call
    from ampere_infra.rehearsal.places.cluster import Key


@cache
def arguments_of(token: str) -> type | None:
    """Return the SDK's class of a type's inputs; nothing for a custom resource's."""
    group_version, kind = token.split(":")[1:]
    group, _, version = group_version.partition("/")
    name = f"pulumi_kubernetes.{group.split('.')[0]}.{version}"
    try:
        module = import_module(name)
    except ModuleNotFoundError:
        return None
    found = getattr(module, f"{kind}InitArgs", None) or getattr(module, f"{kind}Args", None)
    return found if isinstance(found, type) else None


def identity_of(key: Key) -> str:
    """Return the resource's id."""
    return f"{key.namespace}/{key.name}" if key.namespace else key.name


def is_below(path: str, root: str) -> bool:
    """Tell whether ``path`` is ``root`` or leads into it."""
    return path == root or path.startswith((f"{root}.", f"{root}["))


def made_up(call: Call) -> str:
    """Return a name for an object that the program gave none."""
    return f"{call.name.lower()}-{uuid.uuid5(uuid.NAMESPACE_URL, call.urn).hex[:8]}"


def plural(kind: str) -> str:
    """Return what the API server calls several of a kind."""
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
