"""Building Go programs into the user's cache, once per version of what goes into them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ampere_infra.made_once import made_once

REPORT_SECONDS = 5.0
LIMIT_SECONDS = 3600.0
GO_NEEDED = "1.26.8"
"""The newest ``go`` directive among the pinned modules."""

Report = Callable[[str], None]


class BuildError(Exception):
    """A tool could not be built; the text says why and what to do."""


@dataclass(frozen=True)
class Build:
    """What one ``go build`` makes: the programs of one pinned module."""

    name: str
    """What is built, for people: ``pulumi v3.225.0``."""
    folder: Path
    """Where ``go.mod`` and ``go.sum`` are."""
    packages: tuple[str, ...]
    ldflags: str = ""
    tags: str = ""
    minutes: float = 1.0
    """What it took on two cores with nothing cached, to say how long it may take."""

    def arguments(self) -> list[str]:
        """The flags of ``go build``; the same input makes the same program anywhere."""
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {self.ldflags}".strip()]
        return [*flags, "-tags", self.tags] if self.tags else flags

    def key(self, go: str) -> str:
        """Name the result: a digest of all that goes into it."""
        described = [*self.packages, *self.arguments(), _go_identity(go)]
        digest = hashlib.sha256("\0".join(described).encode())
        for file in ("go.mod", "go.sum"):
            digest.update((self.folder / file).read_bytes())
        return f"{self.folder.name}-{digest.hexdigest()[:16]}"


def cache_folder() -> Path:
    """Where built tools are kept for this user."""
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    chosen = os.environ.get("XDG_CACHE_HOME") or local
    return (Path(chosen) if chosen else Path.home() / ".cache") / "ampere" / "tools"


def built(build: Build, report: Report) -> Path:
    """Return the folder that holds ``build``'s programs, building them if it is not there.

    Raises:
        BuildError: Go is missing, a module cannot be had, or the compiler refused.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            f"{build.name} has to be built and there is no `go` on PATH: install Go "
            f"{GO_NEEDED} or newer (https://go.dev/dl/), or put the program itself on PATH"
        )
    target = cache_folder() / build.key(go)

    def make(folder: Path) -> None:
        command = [go, "build", *build.arguments(), "-o", f"{folder}{os.sep}", *build.packages]
        _run(command, build, report)
        # Whoever keeps a cache between runs reads what root has built for the test machines.
        folder.chmod(0o755)

    return made_once(target, target.with_suffix(".lock"), build.name, make, report)


def _run(command: list[str], build: Build, report: Report) -> None:
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=build.folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            _watch(process, build, report, started)
        except BaseException:
            process.kill()
            raise
        reader.join()
    if process.returncode != 0:
        raise BuildError(_explained(build, lines))
    report(f"built {build.name} in {time.monotonic() - started:.0f} s")


def _watch(process: subprocess.Popen[str], build: Build, report: Report, started: float) -> None:
    expected = f"{build.minutes:g} min" if build.minutes >= 1 else "a few seconds"
    report(f"building {build.name} from source: about {expected} the first time")
    while True:
        try:
            process.wait(REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - started
            if elapsed > LIMIT_SECONDS:
                raise BuildError(
                    f"building {build.name} did not end in {LIMIT_SECONDS / 60:.0f} minutes: "
                    "see whether the Go module proxy answers (`go env GOPROXY`)"
                ) from None
            report(f"building {build.name}: {elapsed:.0f} s of about {expected}")
        else:
            return


def _environment() -> dict[str, str]:
    pinned = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    return {**os.environ, **pinned}


def _go_identity(go: str) -> str:
    command = [go, "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if answer.returncode != 0:
        raise BuildError(f"`go env` failed: {answer.stderr.strip()[-300:]}")
    return answer.stdout


_REMEDIES = (
    ("SECURITY ERROR", "the module is not the one that go.sum pins: do not use it"),
    ("checksum mismatch", "the module is not the one that go.sum pins: do not use it"),
    ("requires go >=", f"install Go {GO_NEEDED} or newer (https://go.dev/dl/)"),
    ("no space left", "free some disk space: a build takes up to 3 GB of Go's caches"),
    ("signal: killed", "the machine ran out of memory: a build takes up to 2 GB"),
    ("module lookup disabled", "set GOPROXY to a Go module proxy that can be reached"),
    ("dial tcp", "the Go module proxy was not reached: see `go env GOPROXY`"),
    ("proxyconnect", "the HTTP proxy was not reached: see HTTPS_PROXY"),
)


def _explained(build: Build, lines: list[str]) -> str:
    tail = "".join(line for line in lines if not line.startswith("go: downloading"))[-2000:]
    remedy = next((f"; {text}" for sign, text in _REMEDIES if sign in tail), "")
    return f"building {build.name} failed{remedy}\n{tail.strip()}"
