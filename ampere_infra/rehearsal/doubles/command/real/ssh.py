"""A connection of the provider's, as OpenSSH's client is told of it, and what came of it.

Keys lie in files that only this user can read, for as long as the connection lasts.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.values import Properties, number, table, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.programs import Finished

NODE, PROXY = "node", "proxy"
_LOST = 255
"""OpenSSH's own exit status; a command may have it, too."""
_ALIVE_SECONDS, _ALIVE_COUNT = 15, 9
"""When a direct connection is given up that is silent: what Go asks of TCP."""
_RSA = "rsa-sha2-512,rsa-sha2-256,ssh-rsa"
_AUTHENTICATED = re.compile(r"^Authenticated to ", re.MULTILINE)
_STATUS = re.compile(r"^debug1: Exit status (-?\d+)", re.MULTILINE)
_REFUSED = re.compile(r"ssh: connect to host (\S+) port (\d+): (.+)")
_NO_NAME = re.compile(r"ssh: Could not resolve hostname (\S+):")
_OWN = re.compile(r"^Connection to \S+ closed by remote host\.\r?\n", re.MULTILINE)
_NOT_FORWARDED = re.compile(r"open failed: (connect failed|administratively prohibited): (.*)")


@dataclass(frozen=True)
class Dialled:
    """What one attempt came to: the command has run unless there is a ``failure``."""

    done: Finished
    status: int | None = None
    """The command's own; None: it was not heard of to the end."""
    failure: str = ""
    at: str = NODE


@dataclass(frozen=True)
class Connection:
    """A way to a machine, laid down in a folder."""

    folder: Path
    limits: dict[str, int]

    @property
    def prefix(self) -> str:
        """What the provider says before each failure."""
        return "proxy: " if PROXY in self.limits else ""

    def tries(self, at: str) -> int:
        """How many attempts may fail; below 0 for any number."""
        return self.limits[at]

    def words(self, line: str) -> list[str]:
        """Return the client's words."""
        config, log = self.folder / "config", self.folder / f"{NODE}.log"
        return ["ssh", "-F", str(config), "-E", str(log), NODE, line]

    def forget(self) -> None:
        """Forget what the attempt before came to."""
        for name in (NODE, PROXY):
            (self.folder / f"{name}.log").unlink(missing_ok=True)

    def dialled(self, done: Finished) -> Dialled:
        """Return what an attempt came to."""
        log = self._log(NODE)
        if done.code != _LOST or _AUTHENTICATED.search(log):
            return Dialled(done, _status(log, done.code))
        if PROXY not in self.limits:
            return Dialled(done, failure=reason(log))
        way = self._log(PROXY)
        if not _AUTHENTICATED.search(way):
            return Dialled(done, failure=reason(way), at=PROXY)
        rejected = _NOT_FORWARDED.search(way)
        if rejected:
            return Dialled(done, failure=f"ssh: rejected: {rejected[1]} ({rejected[2]})")
        return Dialled(done, failure=reason(log))

    def _log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


@contextmanager
def connection(given: Properties, patience: int | None = None) -> Generator[Connection]:
    """Lay a connection down for the client; nothing of it is left when the context ends."""
    proxy = table(given, "proxy")
    ends = {NODE: given, **({PROXY: proxy} if proxy else {})}
    with tempfile.TemporaryDirectory(prefix="ampere-ssh-") as name:
        folder = Path(name)
        for alias, end in ends.items():
            _private(folder / f"{alias}.key", text(end, "privateKey").rstrip() + "\n")
            known = f"{alias} {text(end, 'hostKey').strip()}\n" if text(end, "hostKey") else ""
            _private(folder / f"{alias}.known", known)
        _private(folder / "config", config(folder, given, patience))
        yield Connection(folder, {a: _limit(end) for a, end in ends.items()})


def config(folder: Path, given: Properties, patience: int | None = None) -> str:
    """Return the client's settings: the machine, and the proxy if there is one."""
    proxy = table(given, "proxy")
    if not proxy:
        return _host(folder, NODE, given, _direct(given))
    log, file = folder / f"{PROXY}.log", folder / "config"
    through = {"ProxyCommand": f"ssh -F '{file}' -E '{log}' -W %h:%p {PROXY}"}
    if patience is not None:
        through |= _alive(patience, 1)
    return _host(folder, NODE, given, through) + _host(folder, PROXY, proxy, _direct(proxy))


def reason(log: str) -> str:
    """Return the provider's words for what the client said last."""
    said = [line for line in log.splitlines() if line and not line.startswith("debug")]
    last = said[-1] if said else "EOF"
    if found := _REFUSED.search(log):
        host, port, why = found.groups()
        if "timed out" in why:
            return f"dial tcp {host}:{port}: i/o timeout"
        return f"dial tcp {host}:{port}: connect: {why.strip().lower()}"
    if found := _NO_NAME.search(log):
        return f"dial tcp: lookup {found[1]}: no such host"
    if "Host key verification failed" in log or "no matching host key type" in log:
        return "ssh: handshake failed: ssh: host key mismatch"
    if "Permission denied" in last:
        return (
            "ssh: handshake failed: ssh: unable to authenticate, attempted methods "
            "[none publickey], no supported methods remain"
        )
    return f"ssh: handshake failed: {last.strip()}"


def without_own(output: str) -> str:
    """Return what a command printed, without what the client says of itself."""
    return _OWN.sub("", output)


def _status(log: str, code: int) -> int | None:
    """Return the command's exit status, if the client heard of it."""
    found = _STATUS.search(log)
    status = int(found[1]) if found else -1 if code == _LOST else code
    return status if min(status, code) >= 0 else None


def _host(folder: Path, alias: str, end: Properties, further: dict[str, str]) -> str:
    host_key = text(end, "hostKey")
    kind = host_key.split()[0] if host_key else ""
    settings = {
        "HostName": text(end, "host"),
        "Port": text(end, "port") or "22",
        "User": text(end, "user") or "root",
        "IdentityFile": f'"{folder / alias}.key"',
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
        "HostKeyAlias": alias,
        "UserKnownHostsFile": f'"{folder / alias}.known"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes" if host_key else "no",
        "UpdateHostKeys": "no",
        "LogLevel": "DEBUG1",
        **({"HostKeyAlgorithms": _RSA if kind == "ssh-rsa" else kind} if kind else {}),
        **further,
    }
    return "".join([f"Host {alias}\n", *(f"  {key} {value}\n" for key, value in settings.items())])


def _direct(end: Properties) -> dict[str, str]:
    seconds = number(end, "perDialTimeout") or 0
    limit = {"ConnectTimeout": str(seconds)} if seconds else {}
    return {**limit, **_alive(_ALIVE_SECONDS, _ALIVE_COUNT)}


def _alive(seconds: int, count: int) -> dict[str, str]:
    return {"ServerAliveInterval": str(seconds), "ServerAliveCountMax": str(count)}


def _limit(end: Properties) -> int:
    found = number(end, "dialErrorLimit")
    return 10 if found is None else found


def _private(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8", newline="\n")
