#!/usr/bin/env python3
"""A stand-in for virsh that keeps its pools, networks and machines in the folder ``FAKE_HOST``.

It knows the calls that the host's scripts make and ends with an error on any other. The word in
``FAKE_FAIL`` makes that call fail.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

HOST = Path(os.environ["FAKE_HOST"])


class NoSuchThingError(Exception):
    """What virsh says of a thing that is not there."""


def pool(name: str) -> Path:
    return existing(HOST / "pools" / name)


def existing(path: Path) -> Path:
    if not path.exists():
        raise NoSuchThingError(f"error: no {path.name}")
    return path


def path_of(volume: Path) -> str:
    return f"/pool/{volume.parent.name}/{volume.name}"


def describe(volume: Path) -> str:
    base = existing(volume).read_bytes().removeprefix(b"over ") if is_overlay(volume) else b""
    backing = f"<backingStore><path>{base.decode()}</path></backingStore>" if base else ""
    return f"<volume><target><path>{path_of(volume)}</path></target>{backing}</volume>"


def is_overlay(volume: Path) -> bool:
    return volume.read_bytes().startswith(b"over ")


def remove(path: Path) -> str:
    if existing(path).is_dir():
        path.rmdir()
    else:
        path.unlink()
    return ""


def create(volume: Path) -> str:
    if volume.exists():
        raise NoSuchThingError(f"error: {volume.name} exists already")
    volume.write_bytes(b"empty")
    return ""


def upload(volume: Path, source: str) -> str:
    content = Path(source).read_bytes()
    existing(volume).write_bytes(content[: len(content) // 2])
    if os.environ.get("FAKE_FAIL") == "vol-upload":
        raise NoSuchThingError("error: cut in the middle")
    volume.write_bytes(content)
    return ""


def listed(folder: Path) -> str:
    return "".join(f" {entry.name}   {path_of(entry)}\n" for entry in sorted(folder.iterdir()))


def names(folder: Path) -> str:
    return "".join(f"{entry.name}\n" for entry in sorted(folder.iterdir())) + "\n"


def in_pool(words: list[str]) -> Path:
    """The volume of ``--pool POOL VOLUME``, or of ``POOL VOLUME``."""
    return pool(words[1]) / words[2] if words[0] == "--pool" else pool(words[0]) / words[1]


def allocation(words: list[str]) -> str:
    volume = existing(in_pool([word for word in words if word != "--bytes"]))
    written = 10**6 if volume.read_bytes() == b"written" else 200704
    return f"Name:           {volume.name}\nAllocation:     {written} bytes\n"


CALLS: dict[str, Callable[[list[str]], str]] = {
    "uri": lambda _: "qemu:///system",
    "version": lambda _: "Running hypervisor: QEMU 8.2.2\nRunning against daemon: 10.0.0\n",
    "capabilities": lambda _: f"<model>{os.environ.get('FAKE_SECURITY', 'none')}</model>",
    "vol-info": allocation,
    "vol-path": lambda words: path_of(existing(in_pool(words))),
    "vol-list": lambda words: listed(pool(words[0])),
    "vol-dumpxml": lambda words: describe(in_pool(words)),
    "vol-create-as": lambda words: create(in_pool(words)),
    "vol-upload": lambda words: upload(in_pool(words), words[3]),
    "vol-delete": lambda words: remove(in_pool(words)),
    "pool-list": lambda _: names(HOST / "definitions"),
    "pool-start": lambda words: pool(words[0]).name,
    "pool-refresh": lambda words: pool(words[0]).name,
    "pool-info": lambda words: pool(words[0]).name,
    "pool-dumpxml": lambda words: (existing(HOST / "definitions" / words[1])).read_text(),
    "pool-destroy": lambda _: "",
    "pool-undefine": lambda words: remove(HOST / "definitions" / words[0]),
    "net-list": lambda _: names(HOST / "networks"),
    "net-dumpxml": lambda words: (existing(HOST / "networks" / words[1])).read_text(),
    "net-destroy": lambda _: "",
    "net-undefine": lambda words: remove(HOST / "networks" / words[0]),
    "list": lambda _: names(HOST / "domains"),
    "dominfo": lambda words: f"Name: {words[0]}\nMax memory:     4194304 KiB\n",
    "desc": lambda words: existing(HOST / "domains" / words[0]).read_text(),
    "destroy": lambda words: existing(HOST / "domains" / words[0]).name,
    "undefine": lambda words: remove(HOST / "domains" / words[-1]),
    "domstate": lambda _: "running (booted)\n",
}


def main() -> int:
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write("10.0.0\n")
        return 0
    quiet, connect, uri, call, *words = sys.argv[1:]
    if (quiet, connect, uri) != ("--quiet", "--connect", "qemu:///system"):
        return 2
    with (HOST / "calls").open("a", encoding="utf-8") as log:
        log.write(" ".join([call, *words]) + "\n")
    if os.environ.get("FAKE_FAIL") == call and call != "vol-upload":
        return 1
    try:
        sys.stdout.write(CALLS[call](words))
    except NoSuchThingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
