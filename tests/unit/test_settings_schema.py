"""The JSON Schema that editors complete stack files with."""

from __future__ import annotations

import json

import jsonschema
import pytest
from settings_cases import STACK_FILE, real

from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.schema import json_schema, schema_file, write_schema

SCHEMA = json_schema("home")


def test_it_is_a_schema_of_the_dialect_it_names():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_the_real_stack_file_is_valid():
    document = {"config": real()}
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(document)) == []


def test_what_pulumi_itself_writes_is_valid():
    document = {
        "config": real() | {"pulumi:disable-default-providers": ["*"]},
        "encryptionsalt": "v1:x",
        "encryptedkey": "x",
        "secretsprovider": "passphrase",
        "environment": ["home"],
    }
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(document)) == []


def test_every_field_is_described():
    bare = [
        f"{section}.{name}"
        for section, definition in SCHEMA["$defs"].items()
        for name, field in definition["properties"].items()
        if "description" not in field and "$ref" not in field
    ]
    assert bare == [], "an editor shows a sentence for each"


def test_every_section_is_described():
    assert [name for name, it in SCHEMA["$defs"].items() if not it.get("description")] == []


def test_nothing_stands_beside_a_reference():
    """Draft 07 ignores it there, and so would an editor."""

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for item in node:
                yield from references(item)

    assert all(set(node) == {"$ref"} for node in references(SCHEMA))


def test_it_is_written_where_the_stack_file_looks_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = write_schema("home")
    assert json.loads(written.read_text(encoding="utf-8")) == SCHEMA
    first = STACK_FILE.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={schema_file('home').as_posix()}"


def test_there_is_none_of_an_unknown_stack():
    with pytest.raises(SettingsError, match="is no stack of this project"):
        json_schema("hmoe")
