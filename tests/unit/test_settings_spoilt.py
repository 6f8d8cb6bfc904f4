"""The settings of ``api`` and ``foundation``: the real files, and each way to spoil them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from settings_cases import PROJECT, as_the_engine_hands_it, mistakes_of, patched

from ampere_infra import cli
from ampere_infra.check import check
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.checks import api, foundation
from ampere_infra.settings.foundation import FoundationSettings
from ampere_infra.settings.schema import json_schema, schema_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ampere_infra.settings.types import Model


@dataclass(frozen=True)
class Stack:
    """A stack's own file, its fixtures, and what judges them."""

    name: str
    model: type[Model]
    checks: Iterable[Callable[[Any], Iterable[object]]]

    @property
    def file(self) -> Path:
        return PROJECT / f"Pulumi.{self.name}.yaml"

    @cached_property
    def real(self) -> dict[str, Any]:
        return yaml.safe_load(self.file.read_text(encoding="utf-8"))["config"]

    @cached_property
    def schema(self) -> dict[str, Any]:
        return json_schema(self.name)

    @cached_property
    def fixtures(self) -> dict[str, Any]:
        paths = sorted((PROJECT / "tests/invalid" / self.name).glob("*.yaml"))
        return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}

    def spoilt(self, fixture: dict[str, Any]) -> dict[str, Any]:
        return patched(copy.deepcopy(fixture["patch"]), copy.deepcopy(self.real))

    def editor(self, config: dict[str, Any]) -> list[str]:
        """Where an editor complains."""
        errors = jsonschema.Draft7Validator(self.schema).iter_errors({"config": config})
        return sorted({"/".join(map(str, error.absolute_path)) for error in errors})


STACKS = [
    Stack("api", ApiSettings, api.CHECKS),
    Stack("foundation", FoundationSettings, foundation.CHECKS),
]
each_stack = pytest.mark.parametrize("stack", STACKS, ids=[stack.name for stack in STACKS])
each_fixture = pytest.mark.parametrize(
    ("stack", "fixture"),
    [
        pytest.param(stack, fixture, id=f"{stack.name}-{name}")
        for stack in STACKS
        for name, fixture in stack.fixtures.items()
    ],
)


@each_fixture
def test_each_spoilt_file_is_told_its_mistakes_and_nothing_else(stack, fixture):
    assert fixture["mistakes"], "a fixture says what is expected"
    assert mistakes_of(stack.spoilt(fixture), stack.name) == fixture["mistakes"]


@each_fixture
def test_an_editor_marks_what_is_wrong_in_shape_and_only_that(stack, fixture):
    assert stack.editor(stack.spoilt(fixture)) == fixture.get("schema", [])


@each_fixture
def test_the_engine_and_the_file_lead_to_the_same_verdict(stack, fixture):
    config = stack.spoilt(fixture)
    handed = mistakes_of(as_the_engine_hands_it(config), stack.name)
    places = [line.partition(": ")[0] for line in mistakes_of(config, stack.name)]
    assert [line.partition(": ")[0] for line in handed] == places


@each_stack
def test_each_cross_check_has_a_fixture(stack):
    unseen = set(stack.checks)
    for fixture in stack.fixtures.values():
        sections = {k.removeprefix("ampere:"): v for k, v in stack.spoilt(fixture).items()}
        try:
            settings = stack.model.model_validate(sections)
        except ValidationError:
            continue
        unseen -= {check for check in unseen if any(check(settings))}
    assert sorted(check.__name__ for check in unseen) == []


@each_stack
def test_no_value_that_may_be_secret_is_repeated(stack):
    fixtures = stack.fixtures.values()
    told = "\n".join(line for fixture in fixtures for line in fixture["mistakes"])
    assert "hunter2" in json.dumps([fixture["patch"] for fixture in fixtures])
    assert "hunter2" not in told


def test_nobody_is_sent_to_secrets_that_the_stack_does_not_have():
    (stack,) = (stack for stack in STACKS if stack.name == "foundation")
    told = [line for fixture in stack.fixtures.values() for line in fixture["mistakes"]]
    assert not [line for line in told if "secrets belong" in line]


@each_stack
def test_the_real_file_is_right_and_complete_for_an_editor(stack):
    assert mistakes_of(stack.real, stack.name) == []
    assert stack.editor(stack.real) == []
    first = stack.file.read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(f"$schema={schema_file(stack.name).as_posix()}")


@each_stack
def test_every_field_and_section_is_described(stack):
    for section, definition in stack.schema["$defs"].items():
        assert definition.get("description"), section
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field, f"{section}.{name}"


@each_stack
def test_check_tells_every_mistake_with_their_number(stack, capsys, tmp_path):
    fixture = stack.fixtures["many-mistakes"]
    path = tmp_path / f"Pulumi.{stack.name}.yaml"
    path.write_text(yaml.safe_dump({"config": stack.spoilt(fixture)}), encoding="utf-8")
    assert check(stack.name, path) == 2
    err = capsys.readouterr().err.splitlines()
    assert err == [*fixture["mistakes"], f"6 mistakes in the settings of {stack.name}"]


@each_stack
def test_the_command_writes_its_schema(stack, tmp_path, capsys):
    assert cli.main(["schema", stack.name, "--out", str(tmp_path)]) == 0
    written = tmp_path / f"{stack.name}.schema.json"
    assert capsys.readouterr().out.strip() == str(written)
    assert json.loads(written.read_text(encoding="utf-8")) == stack.schema
