"""Each way to spoil the settings, and exactly what a person is told of it."""

from __future__ import annotations

import jsonschema
import pytest
from pydantic import ValidationError
from settings_cases import (
    FIXTURES,
    Fixture,
    as_the_engine_hands_it,
    for_editors,
    mistakes_in,
    mistakes_of,
    real,
)

from ampere_infra.settings.checks import CHECKS
from ampere_infra.settings.checks.common import listed
from ampere_infra.settings.checks.machines import EACH
from ampere_infra.settings.home import HomeSettings
from ampere_infra.settings.mistakes import SettingsError
from ampere_infra.settings.schema import json_schema

LOADED = [Fixture.load(path) for path in FIXTURES]
PATCHES = [fixture for fixture in LOADED if "patch" in fixture.content]
VALIDATOR = jsonschema.Draft7Validator(json_schema("home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A place for a stack file, the same for all: a folder for each would take longer."""
    return tmp_path_factory.mktemp("stack")


def _name(fixture):
    return fixture.path.stem


@pytest.mark.parametrize("fixture", LOADED, ids=_name)
def test_each_spoilt_file_is_told_its_mistakes_and_nothing_else(fixture, folder):
    assert fixture.content["mistakes"], "a fixture says what is expected"
    assert mistakes_in(fixture, folder) == fixture.content["mistakes"]


@pytest.mark.parametrize("fixture", LOADED, ids=_name)
def test_an_editor_marks_what_is_wrong_in_shape_and_only_that(fixture):
    try:
        document = for_editors(fixture.document)
    except SettingsError:
        assert "schema" not in fixture.content, "an editor says itself that this is no YAML"
        return
    marked = {"/".join(map(str, e.absolute_path)) for e in VALIDATOR.iter_errors(document)}
    assert sorted(marked) == fixture.content.get("schema", [])


@pytest.mark.parametrize("fixture", PATCHES, ids=_name)
def test_the_engine_and_the_file_lead_to_the_same_verdict(fixture):
    config = fixture.document["config"]
    handed = as_the_engine_hands_it(config)
    assert _places(mistakes_of(handed)) == _places(mistakes_of(config)), (
        "what pulumi refuses, ampere check refuses at the same places"
    )


def _places(lines):
    return [line.partition(": ")[0].replace(".12", "[12]") for line in lines]


def test_each_cross_check_has_a_fixture():
    unseen = {*CHECKS, *EACH}
    for fixture in PATCHES:
        sections = {
            key.removeprefix("ampere:"): it for key, it in fixture.document["config"].items()
        }
        try:
            settings = HomeSettings.model_validate(sections)
        except ValidationError:
            continue
        unseen -= {check for check in unseen if _finds(check, settings)}
    assert sorted(check.__name__ for check in unseen) == []


def _finds(check, settings):
    if check in CHECKS:
        return any(check(settings))
    return any(any(check(settings, at, machine)) for at, machine in listed(settings))


def test_there_are_fixtures_enough_and_most_have_one_mistake():
    assert len(LOADED) >= 50
    single = sum(len(fixture.content["mistakes"]) == 1 for fixture in LOADED)
    assert single > len(LOADED) * 0.8, "a mistake does not drag others along"


def test_no_message_is_in_the_validators_own_words():
    text = "\n".join(line for fixture in LOADED for line in fixture.content["mistakes"])
    for foreign in ("pydantic", "Input should", "Value error", "http://errors", "Traceback"):
        assert foreign not in text
    assert max(map(len, text.splitlines())) < 400, "a mistake is one readable line"


def test_a_secret_in_the_wrong_place_is_not_repeated():
    config = real()
    config["ampere:services"]["airflow"]["admin_password"] = "hunter2"
    config["ampere:api_token"] = "hunter2"
    config["ampere:superset"] = {"admin": {"password": "hunter2"}}
    config["ampere:image"]["url"] = "https://me:hunter2@mirror.lan/noble.img"
    config["ampere:versions"] = {"secure": "hunter2"}
    told = mistakes_of(config)
    assert len(told) == 5
    assert "hunter2" not in "\n".join(told)
