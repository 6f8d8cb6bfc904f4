"""``ampere check``: what it prints and how it ends."""

from __future__ import annotations

from settings_cases import PROJECT, STACK_FILE, Fixture

from ampere_infra.check import check


def test_right_settings_are_summed_up(capsys):
    assert check("home", STACK_FILE) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for part in ("oppie@oppie-server (192.168.1.29)", "10.10.10.0/24 behind NAT", "6GiB memory"):
        assert part in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_wrong_settings_are_told_on_stderr_with_their_number(capsys, tmp_path):
    fixture = Fixture.load(PROJECT / "tests" / "invalid" / "many-mistakes.yaml")
    path = tmp_path / "Pulumi.home.yaml"
    path.write_text(fixture.text, encoding="utf-8")
    assert check("home", path) == 2
    out, err = capsys.readouterr()
    assert out == ""
    expected = fixture.content["mistakes"]
    assert err.splitlines() == [*expected, f"{len(expected)} mistakes in the settings of home"]


def test_the_stack_file_of_the_folder_is_read_by_default(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert check("home") == 2
    assert "Pulumi.home.yaml: is not there" in capsys.readouterr().err
    monkeypatch.chdir(PROJECT)
    assert check("home") == 0


def test_an_unknown_stack_is_wrong_input(capsys):
    assert check("hmoe", STACK_FILE) == 2
    assert "'hmoe': is no stack of this project" in capsys.readouterr().err
