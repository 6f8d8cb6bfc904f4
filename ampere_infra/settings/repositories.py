"""Addresses of Git repositories, as a person writes them."""

from __future__ import annotations

import re
from typing import Annotated

from ampere_infra.settings.types import matching
from ampere_infra.settings.written import Written

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_PATH = r"/(?!/)[A-Za-z0-9._~/+-]*[A-Za-z0-9_-]"
REPOSITORY = rf"(?:https://|ssh://git@){_HOST}(?::[0-9]{{1,5}})?{_PATH}"
_SHORT = re.compile(rf"(?P<user>[A-Za-z0-9._-]+)@(?P<host>{_HOST}):(?P<path>(?!/)\S+)")
_EXAMPLE_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
"""GitHub's, as it publishes it."""
_RIGHT = "write https://HOST/PATH or ssh://git@HOST/PATH"


def read_repository(text: str) -> str:
    """Return ``text`` if it is a repository's address that git-sync can follow.

    Raises:
        ValueError: it is none, or it holds a login; the text says what is right.
    """
    if re.fullmatch(REPOSITORY, text) is not None:
        return text
    if short := _SHORT.fullmatch(text):
        meant = f"ssh://{short['user']}@{short['host']}/{short['path']}"
        raise ValueError(_meant(meant, "is SSH's short form"))
    if "@" in text.removeprefix("ssh://git@").partition("://")[2].partition("/")[0]:
        raise ValueError("holds a login; write the address without it, it is not kept secret")
    if text.startswith("http://"):
        raise ValueError(_meant(f"https://{text.removeprefix('http://')}", "is not encrypted"))
    raise ValueError(f"{_RIGHT}, such as https://github.com/me/dags.git")


def _meant(text: str, wrong: str) -> str:
    meant = f"; did you mean {text}?" if re.fullmatch(REPOSITORY, text) else ""
    return f"{wrong}; {_RIGHT}{meant}"


GitRepository = Annotated[
    str, Written(read_repository, REPOSITORY, "https://github.com/me/dags.git")
]
"""A repository's address, without a login but the ``git`` of SSH."""
GitRef = Annotated[
    str,
    matching(
        r"(?!.*(?:\.\.|//|\.lock$|/$|\.$))[A-Za-z0-9][A-Za-z0-9._/-]{0,199}",
        "write a branch, a tag or a commit",
        "main",
    ),
]
FolderInRepository = Annotated[
    str,
    matching(
        r"\.|(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*",
        "write a folder of the repository, or . for its top, without '..' or outer slashes",
        "dags",
    ),
]
KnownHost = Annotated[
    str,
    matching(
        r"[A-Za-z0-9.,:\[\]-]+ (?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}",
        "write a line as ssh-keyscan prints it: host, kind and key",
        f"github.com ssh-ed25519 {_EXAMPLE_KEY}",
    ),
]
"""A line of a ``known_hosts`` file; hashed names are refused, for nobody could check them."""
