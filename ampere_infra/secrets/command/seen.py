"""Which files were found fine: by digests of the file, its rules, and the code that judged."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CODE = Path(__file__).resolve().parents[1]


def digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return what stands for each file as it is now."""
    code = sha256()
    for source in sorted(_CODE.rglob("*.py")):
        code.update(source.read_bytes())
    return {path: _digest(path, code.digest()) for path in paths}


def _digest(path: Path, code: bytes) -> str:
    parts = [code, path.as_posix().encode(), *map(_content, _rules(path)), _content(path)]
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


def _rules(path: Path) -> list[Path]:
    return [folder / ".sops.yaml" for folder in path.parents]


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def recall(place: Path) -> frozenset[str]:
    """Return the digests of what was found fine; none if that is not known."""
    with suppress(OSError, ValueError):
        known = json.loads(place.read_text(encoding="utf-8"))
        if isinstance(known, list):
            return frozenset(map(str, cast("list[object]", known)))
    return frozenset()


def remember(place: Path, fine: Mapping[Path, str]) -> None:
    """Keep the digests of ``fine``; where nothing can be written, all is checked again."""
    partial = place.with_name(f"{place.name}.partial")
    with suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(sorted(fine.values())), encoding="utf-8", newline="\n")
        partial.replace(place)
