"""A stack file's YAML is read as the engine reads it (tried with Pulumi 3.225)."""

from __future__ import annotations

import pytest

from ampere_infra.settings.document import Misread, parse_document
from ampere_infra.settings.mistakes import SettingsError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("TRUE", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("10:30", "10:30"),
        ("1.36.3", "1.36.3"),
        ("10.10.10.0/24", "10.10.10.0/24"),
        ("2", 2),
        ("-2", -2),
        ('"0123"', "0123"),
        ("'true'", "true"),
        ("|-\n  text", "text"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_what_has_one_meaning_is_read(written, meant):
    assert parse_document("x.yaml", f"key: {written}\n") == {"key": meant}


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("1.10", "a number"),
        ("1e3", "a number"),
        ("010", "a number"),
        ("0o17", "a number"),
        ("0x1F", "a number"),
        ("1_000", "a number"),
        ("+5", "a number"),
        (".5", "a number"),
        ("-.inf", "a number"),
        (".NaN", "a number"),
        ("9" * 5000, "a number"),
        ("2026-11-23", "a date"),
        ("2026-11-23T10:00:00Z", "a date"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_the_engine_would_change_is_kept_as_written(written, meaning):
    assert parse_document("x.yaml", f"key: {written}\n") == {"key": Misread(written, meaning)}


def test_a_key_of_a_mapping_goes_before_what_it_merges():
    text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nboth: {<<: [*base, {a: 4, c: 5}]}\n"
    document = parse_document("x.yaml", text)
    assert document == {
        "base": {"a": 1, "b": 2},
        "own": {"a": 1, "b": 3},
        "both": {"a": 1, "b": 2, "c": 5},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {<<: 3}", "x.yaml:1:9: merges what is no mapping; name a mapping after '<<:'"),
        ("a: {<<: [3]}", "x.yaml:1:9: merges what is no mapping; name a mapping after '<<:'"),
        ("a: !!binary eA==", "x.yaml:1:4: has a tag; write the value without it"),
        ("a: &a {b: *a}", "x.yaml:1:8: is nested too deeply, or inside itself by an alias"),
        ("a: 1\na: 2", "x.yaml:2:1: repeats the key 'a'; keep one of the two"),
    ],
)
def test_what_a_stack_file_has_no_use_for_is_refused(text, told):
    with pytest.raises(SettingsError) as raised:
        parse_document("x.yaml", text)
    assert str(raised.value) == told
