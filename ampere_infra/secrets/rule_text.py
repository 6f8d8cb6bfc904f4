"""The text of ``.sops.yaml``: one rule put into it, all other lines and comments as they are."""

from __future__ import annotations

import re
from textwrap import dedent, indent
from typing import TYPE_CHECKING, cast

import yaml

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.recipients import AzureKey, Recipients

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePath

Rule = dict[str, object]

HEAD = """\
# Who opens which file of secrets: each key of a rule alone does. Written by `ampere secrets`.
creation_rules:
"""


def parsed(text: str, file: str) -> list[Rule]:
    """Return the rules of ``text``.

    Raises:
        SecretsError: It is no YAML, or its rules are no list.
    """
    try:
        document: object = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError):
        raise SecretsError(file, "is no YAML") from None
    rules = cast("Rule", document).get("creation_rules") if isinstance(document, dict) else ""
    if rules is None:
        return []
    items = cast("list[object]", rules) if isinstance(rules, list) else [None]
    if all(isinstance(item, dict) for item in items):
        return cast("list[Rule]", items)
    raise SecretsError(file, "its creation_rules must be a list of rules")


def matches(rule: Rule, relative: PurePath, file: str) -> bool:
    """Whether ``rule`` takes the file at ``relative``, as sops finds on this system.

    Raises:
        SecretsError: Its regular expression is none.
    """
    regex = str(rule.get("path_regex") or "")
    try:
        return re.search(regex, str(relative)) is not None
    except re.error:
        raise SecretsError(file, f"{regex!r} is no regular expression") from None


def with_rule(text: str, relative: PurePath, recipients: Recipients, file: str) -> str:
    """Return ``text`` with the file's own rule in it, before any other that would take the file.

    Raises:
        SecretsError: The text is broken, or written so that no rule can be put into it.
    """
    if not re.search(r"^creation_rules:", text, re.MULTILINE):
        text = f"{text.rstrip()}\ncreation_rules:\n".lstrip()
    lines = text.splitlines(keepends=True)
    lines[-1] = lines[-1].rstrip("\n") + "\n"
    start, end, column = _place(text, relative, file)
    rule = _rendered(relative, recipients)
    changed = "".join([*lines[:start], indent(dedent(rule), " " * column), *lines[end:]])
    if _first(changed, relative) != parsed(f"creation_rules:\n{rule}", file)[0]:
        raise SecretsError(file, "write its creation_rules as a list, a rule on lines of its own")
    return changed


def _place(text: str, relative: PurePath, file: str) -> tuple[int, int, int]:
    """Return which lines the rule replaces, none if there is no such rule yet, and its column."""
    lines = text.splitlines()
    blocks = list(_blocks(text, file))
    if not blocks:
        return len(lines), len(lines), 2
    first = blocks[0][0]
    column = len(lines[first]) - len(lines[first].lstrip())
    for start, end, rule in blocks:
        if matches(rule, relative, file):
            if rule.get("path_regex") == _regex(relative):
                return start, end, column
            break
    return first, first, column


def _first(text: str, relative: PurePath) -> Rule | None:
    try:
        return next((rule for rule in parsed(text, "") if matches(rule, relative, "")), None)
    except SecretsError:
        return None


def _regex(relative: PurePath) -> str:
    """Match the file's path alone; on Windows sops compares it with backslashes."""
    return "^" + r"[/\\]".join(map(re.escape, relative.parts)) + "$"


def _rendered(relative: PurePath, recipients: Recipients) -> str:
    lines = [f"  - path_regex: '{_regex(relative)}'", "    key_groups:"]
    sign = "-"
    if keys := [key for url in recipients.azure_kv if (key := AzureKey.parse(url))]:
        lines.append(f"      {sign} azure_keyvault:")
        sign = " "
        for key in keys:
            lines.append(f"          - vaultUrl: {key.vault}")
            lines.append(f"            key: {key.key}")
            lines.append(f"            version: '{key.version}'")
    if recipients.age:
        lines.append(f"      {sign} age:")
        lines += [f"          - {key}" for key in recipients.age]
    return "".join(f"{line}\n" for line in lines)


def _blocks(text: str, file: str) -> Iterator[tuple[int, int, Rule]]:
    """Yield each rule with the lines that it is, without comments after it."""
    rules = parsed(text, file)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not rules or not isinstance(root, yaml.MappingNode):
        return
    pairs = cast("list[tuple[yaml.Node, yaml.Node]]", root.value)
    nodes = next(value for key, value in pairs if key.value == "creation_rules").value
    lines = text.splitlines()
    for node, rule in zip(cast("list[yaml.Node]", nodes), rules, strict=True):
        start, end = node.start_mark.line, node.end_mark.line
        if node.end_mark.index >= len(text):
            end = len(lines)
        while end > start + 1 and lines[end - 1].lstrip()[:1] in {"", "#"}:
            end -= 1
        yield start, end, rule
