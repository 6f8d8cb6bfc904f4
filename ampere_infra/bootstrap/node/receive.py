"""What comes over SSH by standard input on a worker: its token."""

from __future__ import annotations

import re
import sys

from .core import Failed, ask, at, marked, private_folder, run, say, unmark, write

JOIN = "kubeadm-join.service"
TOKEN = "/var/lib/ampere/join/token"  # noqa: S105 - where it lies
MEMBERSHIP = "/var/lib/ampere/join/id"
"""The public part of the last token. Another one is another membership: the last has ended, and
with it the node's object, which a running kubelet does not make again."""


def receive_token() -> None:
    """Store the bootstrap token and have the node join with it, again if it is a new one.

    Raises:
        Failed: the input is no bootstrap token.
    """
    token = sys.stdin.read().strip()
    if re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) is None:
        raise Failed("this is no bootstrap token")
    public, known = token.partition(".")[0], at(MEMBERSHIP)
    if marked("NODE_JOINED") and known.exists() and known.read_text().strip() == public:
        say("this node has joined with it before")
        return
    private_folder("/var/lib/ampere/join")
    write(at(TOKEN), f"{token}\n", 0o600)
    if marked("NODE_JOINED"):
        say("this node was dismissed since it joined: it joins again")
        unmark("NODE_JOINED")
    write(known, f"{public}\n")
    # Not before all of that is there: the path starts what is stopped at once, and ends for good
    # where that has nothing to do a few times.
    if ask("systemctl", "is-active", "--quiet", JOIN)[0] == 0 and not marked("NODE_JOINED"):
        run("systemctl", "stop", JOIN)
    run("systemctl", "start", "--no-block", "kubeadm-join.path", "ampere-converge.timer")
    say("the join token is here")
