"""The machine that runs this: its programs, and what the names lead to from here."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ampere_infra.doctor.findings import Finding, Place, bad, here, ok, unknown, warning
from ampere_infra.doctor.floors import LOCAL, Floor, is_older, version_in
from ampere_infra.doctor.judges.front import hosts_line, is_loopback, resolved
from ampere_infra.go_build import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ampere_infra.settings.foundation import FoundationSettings
    from ampere_infra.settings.home import HomeSettings

ANSWER_SECONDS: Final = 20.0
LOOKUP_SECONDS: Final = 12.0

_ASKED: Final = {
    "pulumi": ("version",),
    "uv": ("--version",),
    "ssh": ("-V",),
    "sops": ("--disable-version-check", "--version"),
    "age": ("--version",),
}
_BUILT: Final = {
    "age": "only who makes age keys by hand needs it",
    "sops": "the program builds it from source, once",
}


def programs(names: Sequence[str] = tuple(LOCAL)) -> Iterator[Finding]:
    """The programs that Pulumi and a person need here."""
    yield ok("python", platform.python_version())
    for name in names:
        yield program(name, LOCAL[name])


def program(name: str, floor: Floor) -> Finding:
    """Return whether the program ``name`` is on PATH and new enough."""
    path = shutil.which(name) or _kept(name)
    if path is None:
        return _missing(name, floor)
    printed = answered(path, *_ASKED[name])
    found = version_in(printed or "")
    if found is None:
        return unknown(name, f"{path} tells no version", here(floor.remedy))
    if is_older(found, floor.version):
        older = f"{found} at {path}; {floor.version} or newer is needed"
        return bad(name, older, here(floor.remedy))
    return ok(name, f"{found} at {path}")


def _missing(name: str, floor: Floor) -> Finding:
    if name not in _BUILT:
        return bad(name, "it is not on PATH", here(floor.remedy))
    found = f"it is not on PATH; {_BUILT[name]}"
    return warning(name, found, here(floor.remedy), here(f"or: uv run ampere tools {name}"))


def _kept(name: str) -> str | None:
    """Return the newest program of that name that was built from source, if there is one."""
    if name not in _BUILT:
        return None
    suffix = ".exe" if sys.platform == "win32" else ""
    built = cache_folder().glob(f"{name}-*/{name}{suffix}")
    return max(map(str, built), key=lambda path: Path(path).stat().st_mtime, default=None)


def answered(*words: str) -> str | None:
    """Return what a program prints, or None where it fails or takes too long."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_SECONDS,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = (done.stdout + done.stderr).decode(errors="replace")
    return text if done.returncode == 0 else None


def names(s: HomeSettings) -> Iterator[Finding]:
    """The services' names, and the host's, lead to the host from here."""
    domains = tuple(s.services.domains.model_dump().values())
    found = addresses_of((*domains, s.host.name))
    for name in domains:
        told = found.get(name)
        if told is None:
            why = f"no answer within {LOOKUP_SECONDS:.0f} s"
            yield unknown(name, why, here("see to this machine's DNS"), here(names_line(s)))
        else:
            yield resolved(s, name, told, Place.DEV, names_line(s))
    yield _host_name(s, found.get(s.host.name) or ())


def _host_name(s: HomeSettings, addresses: Sequence[str]) -> Finding:
    if str(s.host.address) in addresses or (addresses and all(map(is_loopback, addresses))):
        return ok(s.host.name, ", ".join(addresses))
    found = f"leads to {', '.join(addresses)}" if addresses else "is not known"
    line = names_line(s, s.host.name)
    return warning(s.host.name, f"the host's name {found}; the address is dialled", here(line))


def names_line(s: HomeSettings, *names: str) -> str:
    """Return what makes ``names``, by default the services', known on this machine."""
    if sys.platform != "win32" and not names:
        return hosts_line(s)
    listed = " ".join(names or s.services.domains.model_dump().values())
    if sys.platform != "win32":
        return f"echo '{s.host.address} {listed}' | sudo tee -a /etc/hosts"
    file = r"$env:windir\System32\drivers\etc\hosts"
    return f"as administrator, in PowerShell: Add-Content {file} '{s.host.address} {listed}'"


def addresses_of(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each of ``names`` that was answered in time, none where unknown."""
    found: dict[str, tuple[str, ...]] = {}

    def look(name: str) -> None:
        try:
            told = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            found[name] = ()
        else:
            found[name] = tuple(dict.fromkeys(str(entry[4][0]) for entry in told))

    lookups = [threading.Thread(target=look, args=(name,), daemon=True) for name in names]
    for lookup in lookups:
        lookup.start()
    for lookup in lookups:
        lookup.join(LOOKUP_SECONDS / len(lookups))
    return dict(found)


def azure(s: FoundationSettings) -> Iterator[Finding]:
    """Somebody is logged in at Azure, in the tenant and subscription of the settings."""
    wanted = (s.azure.tenant_id, s.azure.subscription_id)
    log_in = here(f"az login --tenant {wanted[0]}")
    choose = here(f"az account set --subscription {wanted[1]}")
    path = shutil.which("az")
    if path is None:
        install = "https://learn.microsoft.com/cli/azure/install-azure-cli"
        yield bad("az", "it is not on PATH", here(f"install it: {install}"))
        return
    told = answered(path, "account", "show", "--query", "[tenantId, id]", "--output", "tsv")
    if told is None:
        yield bad("login", "nobody is logged in", log_in, choose)
    elif tuple(told.split()[:2]) != wanted:
        yield bad("login", "it is another tenant's or subscription's", log_in, choose)
    else:
        yield ok("login", f"subscription {wanted[1]}")
