"""Scripts by standard input, in the shells that a login may have."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ampere_infra.machines.piped import piped, unpiped

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
# ampere lookout node1 10.0.0.9
set -u
printf 'é: %s\\n' "$(printf x)"
IFS= read -r first
printf '%s, then %s\\n' "$first" "$(cat)"
exit 3
"""


def run(script: str, stdin: str, login: str = "sh", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [login, "-c", piped(script)],
        input=script + stdin,
        check=False,
        capture_output=True,
        text=True,
        env=env or None,
    )


@pytest.mark.parametrize("login", ["sh", "bash", "dash"])
def test_a_script_runs_and_reads_what_follows_it(login: str):
    done = run(SCRIPT, "a\nb\nc", login)
    assert (done.returncode, done.stdout, done.stderr) == (3, "é: x\na, then b\nc\n", "")


def test_a_script_longer_than_a_pipe_leaves_the_rest_alone():
    long = SCRIPT.replace("set -u\n", "set -u\n" + "# é\n" * 20_000)
    assert run(long, "a\nb\nc").stdout == "é: x\na, then b\nc\n"


def test_the_command_line_names_the_script_and_does_not_show_it():
    line = piped(SCRIPT)
    assert line.endswith(" ampere lookout node1 10.0.0.9")
    assert "\n" not in line
    assert "printf" not in line


def test_a_host_that_cannot_take_the_script_fails(tmp_path: Path):
    shell = shutil.which("sh")
    assert shell is not None
    (tmp_path / "sh").symlink_to(shell)
    done = run(SCRIPT, "a\nb\nc", shell, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "dd" in done.stderr


def test_what_was_put_together_comes_apart():
    assert unpiped(piped(SCRIPT), SCRIPT + "a\nb") == (SCRIPT, "a\nb")
    assert unpiped("kubectl get nodes", "a") == ("kubectl get nodes", "a")
