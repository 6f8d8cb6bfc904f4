"""Who the program is on the host, and what time it is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ampere_infra.doctor.findings import Finding, bad, here, ok, on_host, unknown, warning
from ampere_infra.doctor.judges.shared import is_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.doctor.facts import Facts
    from ampere_infra.settings.home import HomeSettings

GROUPS: Final = ("libvirt", "kvm")
MOST_APART: Final = 10
"""Seconds: certificates made here are valid from now on, by the clock of whoever reads them."""


def account(s: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The user is the one of the settings, and in libvirt's groups."""
    user = facts.value("user")
    if user == s.host.user:
        yield ok("user", user)
    else:
        again = f"sudo -iu {s.host.user}, then in this project: uv run ampere doctor home"
        yield warning("user", f"{user or 'nobody known'}, not {s.host.user}", on_host(again))
    yield _groups(user, facts)


def _groups(user: str, facts: Facts) -> Finding:
    session, listed = (set(facts.value(key).split()) for key in ("session", "account"))
    missing = [group for group in GROUPS if group not in session]
    if user == "root" or "root" in session:
        return ok("groups", "root needs none")
    if not missing:
        return ok("groups", ", ".join(GROUPS))
    if not facts.value("session"):
        return unknown("groups", "not told")
    if all(group in listed for group in missing):
        found = f"{', '.join(missing)} only from the next login on"
        return bad(
            "groups", found, on_host(f"end all of {user}'s logins: loginctl kill-user {user}")
        )
    found = f"{user} is not in {', '.join(missing)}"
    remedy = on_host(f"sudo usermod -aG {','.join(GROUPS)} {user}, then log in again")
    reached = is_ready(facts, "libvirt") and facts.value("kvm.access") == "yes"
    return (warning if reached else bad)("groups", found, remedy)


def clock(_: HomeSettings, facts: Facts) -> Iterator[Finding]:
    """The host's clock agrees with this machine's, and something keeps it right."""
    if re.fullmatch(r"-?\d{1,12}\.\d", apart := facts.value("apart"), re.ASCII):
        yield _apart(float(apart))
    kept = facts.value("synchronised")
    remedy = on_host("sudo apt install systemd-timesyncd && sudo timedatectl set-ntp true")
    if kept == "yes":
        yield ok("kept right", "synchronised")
    elif kept == "no":
        yield bad("kept right", "nothing synchronises the host's clock", remedy)
    else:
        yield unknown("kept right", "timedatectl does not tell", on_host("timedatectl status"))


def _apart(seconds: float) -> Finding:
    if abs(seconds) <= MOST_APART:
        return ok("agrees with this machine", f"to {abs(seconds):.0f} s")
    side = "ahead of" if seconds > 0 else "behind"
    found = f"the host is {_length(abs(seconds))} {side} this machine"
    return bad(
        "agrees with this machine",
        found,
        on_host("sudo timedatectl set-ntp true && timedatectl status"),
        here("set the clock from the network: timedatectl status, on Windows: w32tm /resync"),
    )


def _length(seconds: float) -> str:
    units = (("days", 86400), ("hours", 3600), ("minutes", 60))
    name, unit = next((u for u in units if seconds >= 2 * u[1]), ("s", 1))
    return f"{seconds / unit:.0f} {name}"
