"""The settings of ``api``: the real file, each way to spoil it, and what the plan costs."""

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
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.checks.api import CHECKS
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.plan import found, monthly, others
from ampere_infra.settings.schema import json_schema, schema_file

STACK_FILE = PROJECT / "Pulumi.api.yaml"
FIXTURES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((PROJECT / "tests" / "invalid" / "api").glob("*.yaml"))
}
REAL = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))["config"]
SCHEMA = json_schema("api")
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def spoilt(fixture):
    return patched(copy.deepcopy(fixture["patch"]), copy.deepcopy(REAL))


def mistakes_of(config):
    try:
        load.parse("api", config)
    except SettingsError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def settings(patch=None):
    return load.parse("api", patched(patch or {}, copy.deepcopy(REAL)))


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
            parsed = ApiSettings.model_validate(sections)
        except ValidationError:
            continue
        unseen -= {check for check in unseen if any(check(parsed))}
    assert sorted(check.__name__ for check in unseen) == []


def test_no_value_that_may_be_secret_is_repeated():
    told = "\n".join(line for fixture in FIXTURES.values() for line in fixture["mistakes"])
    assert "hunter2" in json.dumps([fixture["patch"] for fixture in FIXTURES.values()])
    assert "hunter2" not in told


def test_the_real_file_is_right_and_complete_for_an_editor():
    assert mistakes_of(REAL) == []
    assert list(VALIDATOR.iter_errors({"config": REAL})) == []
    first = STACK_FILE.read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(f"$schema={schema_file('api').as_posix()}")


def test_every_field_and_section_is_described():
    for section, definition in SCHEMA["$defs"].items():
        assert definition.get("description"), section
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field, f"{section}.{name}"


@pytest.mark.parametrize(
    "patch",
    [
        {"ampere:server": {"type": "ccx13", "location": "ash"}},
        {"ampere:server": {"distribution": "debian-13", "on_user_data_change": "replace"}},
        {"ampere:access": {"admins": {"<replace>": ["198.51.100.0/24", "203.0.113.7"]}}},
        {"ampere:dns": {"zone": "ampere-data.eu", "ttl": 3600}},
        {"ampere:prices": {"primary_ipv4": "0.60 EUR"}},
    ],
    ids=str,
)
def test_what_a_person_may_want_is_accepted(patch):
    assert mistakes_of(patched(patch, copy.deepcopy(REAL))) == []


def test_the_plan_costs_its_server_its_address_and_its_backups():
    assert monthly(settings()) == {
        "server cx33": "6.49 EUR",
        "primary IPv4": "0.50 EUR",
        "total": "6.99 EUR",
    }
    dearer = settings({"ampere:server": {"backups": True, "type": "ccx13"}})
    assert monthly(dearer)["backups"] == "3.20 EUR", "a fifth of the server's price, in whole cents"
    assert monthly(dearer)["total"] == "19.69 EUR"


def test_what_else_would_fit_has_as_much_of_everything_and_the_cheapest_comes_first():
    prices = settings().prices
    row = found(prices, "cx33")
    assert row is not None
    rows = others(prices, row, "fsn1")
    assert rows
    assert rows == sorted(rows, key=lambda other: other.monthly)
    for other in rows:
        assert not other.retired
        assert other.cores >= row.cores
        assert other.memory >= row.memory
        assert other.disk >= row.disk
        assert "fsn1" in other.locations


def test_check_says_what_the_stack_is_and_what_it_costs(capsys):
    assert check("api", STACK_FILE) == 0
    out = capsys.readouterr().out
    for part in ("cx33: 4 vCPU, 8GiB memory", "total         6.99 EUR", "api.ampere-data.eu"):
        assert part in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_check_tells_every_mistake_with_their_number(capsys, tmp_path):
    fixture = FIXTURES["many-mistakes"]
    path = tmp_path / "Pulumi.api.yaml"
    path.write_text(yaml.safe_dump({"config": spoilt(fixture)}), encoding="utf-8")
    assert check("api", path) == 2
    err = capsys.readouterr().err.splitlines()
    assert err == [*fixture["mistakes"], "6 mistakes in the settings of api"]


def test_the_command_writes_its_schema(tmp_path, capsys):
    assert cli.main(["schema", "api", "--out", str(tmp_path)]) == 0
    written = tmp_path / "api.schema.json"
    assert capsys.readouterr().out.strip() == str(written)
    assert json.loads(written.read_text(encoding="utf-8")) == SCHEMA
