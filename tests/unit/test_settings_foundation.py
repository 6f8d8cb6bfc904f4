"""The settings of ``foundation``: the real file, and each way to spoil it."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from settings_cases import PROJECT, as_the_engine_hands_it, patched

from ampere_infra import cli
from ampere_infra.check import check
from ampere_infra.settings import load
from ampere_infra.settings.checks.foundation import CHECKS
from ampere_infra.settings.foundation import FoundationSettings
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.schema import json_schema, schema_file

STACK_FILE = PROJECT / "Pulumi.foundation.yaml"
FIXTURES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((PROJECT / "tests" / "invalid" / "foundation").glob("*.yaml"))
}
REAL = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))["config"]
SCHEMA = json_schema("foundation")
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def spoilt(fixture):
    return patched(fixture["patch"], copy.deepcopy(REAL))


def mistakes_of(config):
    try:
        load.parse("foundation", config)
    except SettingsError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


@pytest.mark.parametrize("fixture", FIXTURES.values(), ids=FIXTURES)
def test_each_spoilt_file_is_told_its_mistakes_and_nothing_else(fixture):
    assert fixture["mistakes"], "a fixture says what is expected"
    assert mistakes_of(spoilt(fixture)) == fixture["mistakes"]


@pytest.mark.parametrize("fixture", FIXTURES.values(), ids=FIXTURES)
def test_an_editor_marks_what_is_wrong_in_shape_and_only_that(fixture):
    document = {"config": spoilt(fixture)}
    marked = {"/".join(map(str, e.absolute_path)) for e in VALIDATOR.iter_errors(document)}
    assert sorted(marked) == fixture.get("schema", [])


@pytest.mark.parametrize("fixture", FIXTURES.values(), ids=FIXTURES)
def test_the_engine_and_the_file_lead_to_the_same_verdict(fixture):
    config = spoilt(fixture)
    places = [line.partition(": ")[0] for line in mistakes_of(as_the_engine_hands_it(config))]
    assert places == [line.partition(": ")[0] for line in mistakes_of(config)]


def test_each_cross_check_has_a_fixture():
    unseen = set(CHECKS)
    for fixture in FIXTURES.values():
        sections = {k.removeprefix("ampere:"): v for k, v in spoilt(fixture).items()}
        try:
            settings = FoundationSettings.model_validate(sections)
        except ValidationError:
            continue
        unseen -= {check for check in unseen if any(check(settings))}
    assert sorted(check.__name__ for check in unseen) == []


def test_no_value_that_may_be_secret_is_repeated():
    told = "\n".join(line for fixture in FIXTURES.values() for line in fixture["mistakes"])
    assert "hunter2" in json.dumps([fixture["patch"] for fixture in FIXTURES.values()])
    assert "hunter2" not in told
    assert "secrets belong" not in told, "this stack has no secrets to send anybody to"


def test_the_real_file_is_right_and_complete_for_an_editor():
    assert mistakes_of(REAL) == []
    assert list(VALIDATOR.iter_errors({"config": REAL})) == []
    first = STACK_FILE.read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(f"$schema={schema_file('foundation').as_posix()}")


def test_every_field_and_section_is_described():
    for section, definition in SCHEMA["$defs"].items():
        assert definition.get("description"), section
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field, f"{section}.{name}"


@pytest.mark.parametrize(
    "patch",
    [
        {"ampere:key": {"rotate_after_days": 365, "expire_after_days": 730}},
        {"ampere:key": {"bits": 4096, "name": "sops-2027"}},
        {"ampere:github": {"branches": {"<replace>": []}, "environments": ["production"]}},
        {"ampere:github": {"branches": {"<replace>": ["release/1.2"]}, "pull_requests": False}},
        {"ampere:vault": {"recover": True}},
        {"ampere:key": "<delete>"},
        {"ampere:azure": {"location": "eastus2"}},
    ],
    ids=str,
)
def test_what_a_person_may_want_is_accepted(patch):
    assert mistakes_of(patched(patch, copy.deepcopy(REAL))) == []


def test_check_says_what_the_stack_is(capsys):
    assert check("foundation", STACK_FILE) == 0
    out = capsys.readouterr().out
    for part in (
        "https://ampere-kv-7c21.vault.azure.net/keys/sops, RSA 3072",
        "azblob://pulumi?storage_account=amperestate7c21",
        "oppie/ampere, branch main",
        "pull requests, without changing the state",
    ):
        assert part in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_check_tells_every_mistake_with_their_number(capsys, tmp_path):
    fixture = FIXTURES["many-mistakes"]
    path = tmp_path / "Pulumi.foundation.yaml"
    path.write_text(yaml.safe_dump({"config": spoilt(fixture)}), encoding="utf-8")
    assert check("foundation", path) == 2
    err = capsys.readouterr().err.splitlines()
    assert err == [*fixture["mistakes"], "6 mistakes in the settings of foundation"]


def test_the_command_writes_its_schema(tmp_path, capsys):
    assert cli.main(["schema", "foundation", "--out", str(tmp_path)]) == 0
    written = tmp_path / "foundation.schema.json"
    assert capsys.readouterr().out.strip() == str(written)
    assert json.loads(written.read_text(encoding="utf-8")) == SCHEMA
