"""``.env`` files, as Docker Compose and shells read them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass
class DotEnv:
    """What such a file holds."""

    values: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    unread: list[int] = field(default_factory=list[int])
    """The numbers of lines that are no NAME=value."""


def parse(content: bytes) -> DotEnv:
    """Read ``content``; of two lines for one name the last counts.

    Raises:
        UnicodeDecodeError: It is no text.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    lines = content.decode(encoding).splitlines()
    found = DotEnv()
    at = 0
    while at < len(lines):
        start, at = at, at + 1
        line = lines[start].strip()
        if not line or line.startswith("#"):
            continue
        match = _NAME.fullmatch(line)
        if match is None:
            found.unread.append(start + 1)
            continue
        name, text = match.groups()
        while text[:1] in {"'", '"'} and not _closed(text) and at < len(lines):
            text, at = f"{text}\n{lines[at]}", at + 1
        if text[:1] in {"'", '"'} and not _closed(text):
            found.unread.append(start + 1)
            at = start + 1
            continue
        found.values[name] = _value(text)
    return found


def _closed(text: str) -> re.Match[str] | None:
    if text[0] == "'":
        return re.match(r"'([^']*)'", text)
    return re.match(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)


def _value(text: str) -> str:
    if text[:1] in {"'", '"'} and (match := _closed(text)):
        if text[0] == "'":
            return match[1]
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match[1], flags=re.DOTALL)
    return re.split(r"\s#", text, maxsplit=1)[0].strip()
