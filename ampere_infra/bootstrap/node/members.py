"""Which workers may join: a record for each, and a short-lived token kept fresh until it has.

A record is ``/srv/ampere/members/WORKER``, on the data disk like etcd: the token's id, when it
was admitted and, until the node has registered, the token. An interrupted run may go on days
later: the timer of ``keep-tokens`` renews what has not been used.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from .cluster import kubectl, nodes, remove_token, set_token
from .core import Failed, at, private_folder, say, write

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS = "/srv/ampere/members"
ROSTER = "/srv/ampere/roster"


def record(worker: str) -> Path:
    """Return where ``worker``'s record is."""
    return private_folder(MEMBERS) / worker


def admit(worker: str, minutes: str) -> None:
    """Admit ``worker`` with the token on standard input; again with the same one is nothing new.

    A new token is a new machine: a node of that name left behind by the one before is removed,
    unless it is alive.
    """
    token = sys.stdin.read().strip()
    identity = token.partition(".")[0]
    path = record(worker)
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if old["id"] == identity:
            say(f"{worker} was admitted before")
            write(path, json.dumps(old | {"minutes": int(minutes)}), 0o600)
            renew(path)
            return
        remove_token(old["id"])
    left_behind = nodes().get(worker)
    if left_behind and not left_behind.ready:
        kubectl("delete", "node", worker, "--ignore-not-found")
    new = {"id": identity, "token": token, "minutes": int(minutes), "admitted": int(time.time())}
    write(path, json.dumps(new), 0o600)
    renew(path)
    say(f"{worker} may join")


def keep_tokens() -> None:
    """Renew the token of each admitted worker that has not registered; remove the others'."""
    failures: list[str] = []
    for path in sorted(private_folder(MEMBERS).glob("[!.]*")):
        try:
            renew(path)
        except Failed as failure:
            failures.append(str(failure))
    if failures:
        raise Failed("; ".join(failures))


def renew(path: Path) -> None:
    """Give a record's token its time anew, or take it away once its worker is there."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "token" not in known:
        return
    node = nodes().get(path.name)
    if node and node.created >= known["admitted"]:
        remove_token(known["id"])
        joined = {key: value for key, value in known.items() if key != "token"}
        write(path, json.dumps(joined), 0o600)
        say(f"{path.name} has joined: its token is gone")
    else:
        set_token(known["token"], path.name, known["minutes"])


def roster(*workers: str) -> None:
    """Note which workers there are to be."""
    write(at(ROSTER), "".join(f"{worker}\n" for worker in workers))
