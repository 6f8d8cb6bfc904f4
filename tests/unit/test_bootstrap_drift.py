"""What a node was born with against what the settings would give it now."""

from __future__ import annotations

import pytest

from ampere_infra.bootstrap.drift import drift, read

BORN = {"kubernetes": "1.36.3", "containerd": "2.1.5", "packages": "aa", "user_data": "bb"}


def test_a_node_as_the_settings_want_it_is_no_drift() -> None:
    assert drift(BORN, BORN) == []


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("kubernetes", "versions.kubernetes"),
        ("containerd", "versions.containerd"),
        ("packages", "bootstrap.packages"),
        ("user_data", "its user-data"),
    ],
)
def test_a_change_since_birth_names_the_setting_and_both_values(key: str, setting: str) -> None:
    [line] = drift(BORN, BORN | {key: "new"})
    assert line == f"{setting}: born with {BORN[key]}, now new"


def test_a_fact_that_an_older_program_did_not_write_is_no_drift() -> None:
    assert drift({"kubernetes": "1.36.3"}, BORN) == []


@pytest.mark.parametrize("text", ["", "not json"])
def test_a_birth_that_cannot_be_read_is_no_drift(text: str) -> None:
    assert drift(read(text), BORN) == []
