"""``ampere secrets`` with the real ``sops`` and ``age-keygen``, in an empty folder."""

import json
import os
import re
import sys

import pytest
import yaml
from sops_cases import editor, impostor

from ampere_infra import tools
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.model import HomeSecrets

pytestmark = pytest.mark.usefixtures("sops_alone")

TOKENS = {"HCLOUD_TOKEN": "aB3dE6gH" * 8, "REGISTRY_PULL_TOKEN": "ghp_Canary0Canary0Canary0"}


def test_from_an_empty_folder_init_makes_all_that_home_needs(project, tmp_path):
    text = project.run("init", "home")
    assert "a new age key. Keep a copy" in text
    assert set(sops.decrypt(project.home)) == set(HomeSecrets.needed())
    assert project.files == {".sops.yaml", "secrets/home.enc.yaml"}
    key = tmp_path / ".config/sops/age/keys.txt"
    assert rules.of(project.home).age == (sops.age_recipient(key),)
    if sys.platform != "win32":
        assert key.stat().st_mode & 0o077 == 0
        assert key.parent.stat().st_mode & 0o077 == 0
    assert "fine" in project.run("check", "home")


def test_an_age_key_that_is_there_is_used(project, monkeypatch, tmp_path):
    recipient = sops.make_age_key(tmp_path / "mine.txt")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "mine.txt"))
    assert "a new age key" not in project.run("init", "home")
    assert rules.of(project.home).age == (recipient,)


def test_a_second_init_changes_nothing(made):
    before = made.home.read_bytes()
    assert "12 were there already and stay as they are" in made.run("init", "home")
    assert made.home.read_bytes() == before


def test_init_adds_what_is_missing_and_leaves_the_rest(made):
    held = sops.decrypt(made.home)
    kept = {name: str(held[name]) for name in held if name != "airflow_jwt_secret"}
    sops.encrypt(kept, made.home)
    assert "1 made: airflow_jwt_secret" in made.run("init", "home")
    after = sops.decrypt(made.home)
    assert {name: after[name] for name in kept} == kept
    assert after["airflow_jwt_secret"] not in {None, "", held["airflow_jwt_secret"]}


def test_init_tells_of_a_value_that_is_wrong_but_does_not_touch_it(made):
    sops.set_value(made.home, "airflow_jwt_secret", "weak")
    assert "airflow_jwt_secret must be 64 or more" in made.run("init", "home", status=1)
    assert sops.decrypt(made.home)["airflow_jwt_secret"] == "weak"


def test_tokens_that_others_make_come_from_the_environment(project, monkeypatch):
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    text = project.run("init", "api")
    assert "2 given: hcloud_token, registry_pull_token" in text
    assert "left out, and not needed: tailscale_auth_key" in text
    held = sops.decrypt(project.api)
    assert [held["hcloud_token"], held["registry_pull_token"]] == list(TOKENS.values())
    project.run("check", "api")


def test_tokens_that_are_missing_are_all_named_and_nothing_is_written(project):
    text = project.run("init", "api", status=2)
    assert "set HCLOUD_TOKEN" in text
    assert "set REGISTRY_PULL_TOKEN" in text
    assert "tailscale" not in text, "what is not needed is not missing"
    assert not project.files


def test_malformed_tokens_are_all_named_with_their_rule_and_nothing_is_written(
    project, monkeypatch
):
    monkeypatch.setenv("HCLOUD_TOKEN", "Canary0Canary0")
    monkeypatch.setenv("REGISTRY_PULL_TOKEN", "change-me-change-me")
    monkeypatch.setenv("TAILSCALE_AUTH_KEY", "Canary0Canary0")
    text = project.run("init", "api", status=2)
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "HCLOUD_TOKEN",
        "REGISTRY_PULL_TOKEN",
        "TAILSCALE_AUTH_KEY",
    ]
    assert "Canary0" not in text
    assert not project.files


def test_a_second_stack_is_sealed_for_those_of_the_first(made, monkeypatch, tmp_path):
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    first = rules.of(made.home)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "another.txt"))
    made.run("init", "api")
    assert rules.of(made.api) == first, "who opens one stack's secrets opens the other's"


@pytest.mark.parametrize(
    "arguments", [("init", "foundation"), ("edit", "hoem"), ("rotate", "x"), ("import", "x", "y")]
)
def test_a_stack_without_secrets_is_wrong_input(project, arguments):
    assert "those that have: home, api" in project.run(*arguments, status=2)


@pytest.mark.parametrize("arguments", [("edit", "home"), ("rotate", "home"), ("check", "home")])
def test_a_file_that_is_not_there_is_told_with_the_way_to_make_it(project, arguments):
    assert "`ampere secrets init home`" in project.run(*arguments, status=1)


@pytest.mark.parametrize(
    "arguments", [("init", "home"), ("edit", "home"), ("rotate", "home"), ("check",)]
)
def test_a_file_that_nobody_here_can_open_is_told(made, arguments, monkeypatch, tmp_path):
    before = made.home.read_bytes()
    sops.make_age_key(tmp_path / "other.txt")
    (tmp_path / ".config/sops/age/keys.txt").unlink()
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "other.txt"))
    assert "no key at hand opens it" in made.run(*arguments, status=1)
    assert made.home.read_bytes() == before


def test_without_sops_nothing_is_left_behind(project, monkeypatch):
    found = tools.path

    def without_sops(name, report=None):
        if name == "sops":
            raise tools.BuildError("install Go")
        return found(name)

    monkeypatch.setattr(tools, "path", without_sops)
    assert "needs sops" in project.run("init", "home", status=1)
    assert "secrets/home.enc.yaml" not in project.files


ENV_FILE = """\
export POSTGRES_PASSWORD="Canary0-platform-Canary0"
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql://airflow:Canary1-airflow-Canary1@db/airflow
MINIO_ROOT_PASSWORD=minioadmin
HCLOUD_TOKEN=Canary2
POSTGRES_USER=airflow
Canary3
"""


def test_an_env_file_is_taken_over(project, tmp_path):
    source = tmp_path / "old.env"
    source.write_text(ENV_FILE)
    text = project.run("import", "home", source, status=1)
    assert "POSTGRES_PASSWORD taken as postgresql_platform_password" in text
    assert "not taken: MINIO_ROOT_PASSWORD: minio_root_password must be 16 to 40" in text
    assert f"for api: HCLOUD_TOKEN: `ampere secrets import api {source}`" in text
    assert "not known, and no secret of a stack: POSTGRES_USER" in text
    assert "line 6 is no NAME=value" in text
    assert re.search(r"missing: .*minio_root_password.*airflow_jwt_secret", text)
    assert f"DELETE {source}" in text
    assert "Canary" not in text
    assert source.read_text() == ENV_FILE, "the person deletes it, not the program"
    assert sops.decrypt(project.home) == {
        "postgresql_platform_password": "Canary0-platform-Canary0",
        "postgresql_airflow_password": "Canary1-airflow-Canary1",
    }
    project.run("init", "home")
    project.run("check", "home")
    assert sops.decrypt(project.home)["postgresql_airflow_password"] == "Canary1-airflow-Canary1"


def test_an_import_never_overwrites(made, tmp_path):
    before = made.home.read_bytes()
    source = tmp_path / "old.env"
    source.write_text("POSTGRES_PASSWORD=Canary0-platform-Canary0\n")
    assert "has another value, which stays" in made.run("import", "home", source)
    assert made.home.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"\x7fELF\xff\xfe"])
def test_what_is_no_env_file_is_wrong_input(project, tmp_path, content):
    source = tmp_path / "old.env"
    if content is not None:
        source.write_bytes(content)
    assert str(source) in project.run("import", "home", source, status=2)
    assert not project.files


def test_an_edit_is_sealed_and_checked(made, monkeypatch, tmp_path):
    code = "text = file.read_text()\nfile.write_text(text + 'more: Canary0Canary0\\n')"
    editor(monkeypatch, tmp_path, code)
    text = made.run("edit", "home", status=1)
    assert "sealed again" in text
    assert "more is unknown" in text
    code = "lines = file.read_text().splitlines()\nfile.write_text('\\n'.join(lines[:-1]))"
    editor(monkeypatch, tmp_path, code)
    assert "sealed again" in made.run("edit", "home")
    editor(monkeypatch, tmp_path, "")
    assert "not changed" in made.run("edit", "home")


def test_values_are_seen_by_sops_on_a_pipe_alone(project, monkeypatch, tmp_path):
    """Look at arguments, environment and temporary files of every call, from within it."""
    real, record, temporary = tools.path("sops"), tmp_path / "record", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    code = (
        "import os, pathlib, sys\n"
        f"files = [p for d in ({str(temporary)!r}, {str(project.folder)!r})"
        " for p in pathlib.Path(d).rglob('*') if p.is_file()]\n"
        "seen = [pathlib.Path(f'/proc/{os.getpid()}/{n}').read_bytes()"
        " for n in ('cmdline', 'environ')]\n"
        "seen += [p.read_bytes() for p in files]\n"
        f"open({str(record)!r}, 'ab').write(b'CALL' + b'\\n'.join(seen))\n"
        f"os.execv({str(real)!r}, [{str(real)!r}, *sys.argv[1:]])\n"
    )
    found, watcher = tools.path, impostor(tmp_path, code)("sops")
    monkeypatch.setattr(
        tools, "path", lambda name, report=None: watcher if name == "sops" else found(name)
    )
    values: set[str] = set()
    source = tmp_path / "old.env"
    source.write_text("POSTGRES_PASSWORD=Canary0-platform-Canary0\n")
    for arguments in (
        ("import", "home", source),
        ("init", "home"),
        ("rotate", "home", "airflow_fernet_key"),
        ("rotate", "home"),
        ("check",),
    ):
        project.run(*arguments)
        values |= set(map(str, sops.decrypt(project.home).values()))
    seen = record.read_bytes()
    assert seen.count(b"CALL") >= 16, "every call was looked at"
    assert not any(value.encode() in seen for value in values)
    assert not any(temporary.iterdir()), "nothing is left in the temporary folder"


def test_what_is_kept_of_a_check_holds_no_secret(made):
    made.run("check")
    kept = (made.folder / ".ampere/secrets-checked.json").read_text()
    assert re.fullmatch(r'\["[0-9a-f]{64}"\]', kept), "digests of sealed files, nothing else"
    assert json.loads(kept)


def test_rules_are_for_the_file_and_values_are_text(made):
    [rule] = yaml.safe_load((made.folder / ".sops.yaml").read_text())["creation_rules"]
    assert rule["path_regex"] == r"^secrets[/\\]home\.enc\.yaml$"
    assert os.linesep == "\n" or b"\r" not in made.home.read_bytes()
