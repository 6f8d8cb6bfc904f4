import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ampere_infra import cli, tools

HOME = "Pulumi.home.yaml"


def ampere(*arguments):
    """Run the command in a process of its own."""
    code = "from ampere_infra.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cli.PROJECT)


@pytest.mark.parametrize(
    "command", ["rehearse", "check", "doctor", "schema", "backup", "restore", "tools"]
)
def test_each_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: ampere {command}")
    assert "Exit status: 0 fine" in text


@pytest.mark.parametrize("arguments", [[], ["fly"], ["check"], ["rehearse", "home", "--fast"]])
def test_a_wrong_command_line_is_wrong_input(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: ampere" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rehearse", "check", "doctor", "schema"])
def test_an_unknown_stack_is_answered_with_those_known(command, capsys):
    assert cli.main([command, "hoem"]) == 2
    shown = capsys.readouterr()
    assert "those known are: home" in shown.err + shown.out


def test_check_finds_the_stack_file_from_any_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "home"]) == 0
    assert "ampere-k8s-master" in capsys.readouterr().out, "it says what the stack is"


def test_check_tells_all_mistakes_and_exits_with_2(tmp_path, capsys):
    text = (cli.PROJECT / HOME).read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("memory: 4GiB", "memory: 4GB").replace("mode: nat", "mode: mat"))
    assert cli.main(["check", "home", "--config-file", str(wrong)]) == 2
    shown = capsys.readouterr().err
    assert "ampere:control_plane.memory" in shown
    assert "ampere:network.mode" in shown


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"config: [", b"- a"])
@pytest.mark.parametrize("command", ["check", "doctor", "rehearse"])
def test_a_broken_stack_file_is_wrong_input_and_no_traceback(command, content, tmp_path, capsys):
    file = tmp_path / "stack.yaml"
    if content is not None:
        file.write_bytes(content)
    assert cli.main([command, "home", "--config-file", str(file)]) == 2
    shown = capsys.readouterr()
    assert "stack.yaml" in shown.err + shown.out
    assert "Traceback" not in shown.err


def test_a_schema_is_written_where_one_wants_it(tmp_path, capsys):
    assert cli.main(["schema", "home", "--out", str(tmp_path / "new")]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == tmp_path / "new" / "home.schema.json"
    assert "ampere:cluster" in json.loads(written.read_text())["properties"]["config"]["properties"]


def test_a_schema_that_cannot_be_written_is_wrong_input(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["schema", "home", "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_tool_is_shown_with_its_place(monkeypatch, capsys):
    monkeypatch.setattr(tools, "path", lambda name: Path("/cache") / name)
    assert cli.main(["tools", "sops", "age"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sops", "age"]


def test_an_unknown_tool_is_answered_with_those_known(capsys):
    assert cli.main(["tools", "terraform"]) == 2
    assert "there are: pulumi, sops" in capsys.readouterr().err


def test_a_tool_that_cannot_be_built_is_a_failure(monkeypatch, capsys):
    def refuse(name):
        raise tools.BuildError(f"{name} cannot be built")

    monkeypatch.setattr(tools, "path", refuse)
    assert cli.main(["tools", "sops"]) == 1
    assert "sops cannot be built" in capsys.readouterr().err


def test_an_interruption_ends_with_130(monkeypatch, capsys):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(tools, "path", interrupt)
    assert cli.main(["tools", "sops"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_console_without_a_character_shows_another(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", errors="strict")
    monkeypatch.setattr(sys, "stdout", console)
    cli._accept_any_character()
    print("→ ready")
    console.flush()
    assert console.buffer.getvalue().strip() == b"? ready"


@pytest.mark.parametrize(
    ("words", "told", "heavy"),
    [
        (["--help"], "usage: ampere", {"pulumi", "pydantic", "yaml"}),
        (["check", "home"], "home: cluster", {"pulumi"}),
    ],
)
def test_help_and_check_load_nothing_that_takes_long(words, told, heavy):
    code = "import atexit, sys\nfrom ampere_infra.cli import main\n"
    code += "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
    code += f"sys.exit(main({words}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cli.PROJECT
    )
    assert told in result.stdout
    assert not heavy & {*result.stderr.split()}
