"""The command line of ``ampere secrets``, its hook and its step in CI, without any program."""

import subprocess
import sys

import pytest
import yaml

from ampere_infra import cli
from ampere_infra.secrets.command.parser import PROJECT
from ampere_infra.secrets.model import MODELS

COMMANDS = ["init", "import", "edit", "rotate", "check", "adopt"]


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_each_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["secrets", *command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(" ".join(["usage: ampere secrets", *command]))
    assert "Exit status: 0 fine" in text


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["init"], ["import", "home"], ["check", "--fast"], ["rotate"]]
)
def test_a_wrong_command_line_is_wrong_input(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["secrets", *arguments])
    assert ended.value.code == 2
    assert "usage: ampere" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["init", "home"], ["check"], ["adopt"]])
def test_a_folder_that_is_not_there_is_wrong_input(command, tmp_path, capsys):
    assert cli.main(["secrets", *command, "--folder", str(tmp_path / "none")]) == 2
    assert "none is no folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_is_taken_however_it_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in (".", str(tmp_path), f"{tmp_path}/../{tmp_path.name}/"):
        assert cli.main(["secrets", "check", "--folder", folder]) == 0
    assert "there are no files of secrets yet" in capsys.readouterr().out


def test_an_interruption_ends_with_130(monkeypatch, capsys):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("ampere_infra.secrets.command.seen.recall", interrupt)
    assert cli.main(["secrets", "check"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_help_loads_nothing_that_opens_or_judges():
    code = "import sys; from ampere_infra.cli import _parser; _parser()\n"
    code += "sys.exit(bool({'pydantic', 'yaml', 'pulumi', 'subprocess'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=PROJECT).returncode == 0


def test_the_hook_runs_the_check_when_secrets_or_rules_change():
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    [hook] = config["repos"][0]["hooks"]
    assert hook["entry"].endswith("ampere secrets check")
    assert hook["pass_filenames"] is False


def test_ci_runs_the_check_and_opens_files_only_with_an_identity():
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yaml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["test"]["steps"]
    [check] = [step for step in steps if "make secrets" in step.get("run", "")]
    assert "--without-keys" in check["env"]["CHECK"]
    assert not any("secrets." in str(step.get("with", "")) for step in steps), "no client secret"


def test_every_command_and_every_secret_is_documented():
    text = (PROJECT / "docs/secrets.md").read_text(encoding="utf-8")
    names = [name for model in MODELS.values() for name in model.model_fields]
    missing = [name for name in (*names, *COMMANDS) if f"`{name}" not in text]
    assert not missing, f"docs/secrets.md does not name {', '.join(missing)}"
