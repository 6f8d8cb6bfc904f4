"""The wrapper around ``sops``, with the real ``sops`` and ``age-keygen``."""

import subprocess
import sys
import time

import pytest
import yaml
from sops_cases import refused, rule

from ampere_infra import tools
from ampere_infra.secrets import sops
from ampere_infra.secrets.model import HomeSecrets, SecretsError

pytestmark = pytest.mark.usefixtures("sops_alone")


def test_what_was_sealed_is_read_back(sealed, values):
    read = sops.read("home", sealed)
    assert {name: getattr(read, name).get_secret_value() for name in values} == values


def test_a_sealed_file_holds_no_value_in_clear(sealed, values):
    text = sealed.read_text(encoding="utf-8")
    assert not any(value in text for value in values.values())
    assert set(yaml.safe_load(text)) == {*HomeSecrets.model_fields, "sops"}


def test_plain_text_never_lies_beside_the_sealed_file(sealed):
    assert {entry.name for entry in sealed.parent.iterdir()} == {
        "home.enc.yaml",
        "key.txt",
        ".sops.yaml",
    }


def test_a_sops_configuration_of_the_working_directory_does_not_matter(
    sealed, values, monkeypatch, tmp_path
):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".sops.yaml").write_text("[broken")
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", "age1somebody")
    sops.encrypt(values, sealed)
    assert sops.decrypt(sealed) == values


def test_line_ends_that_git_made_on_windows_do_not_matter(sealed, values):
    sealed.write_bytes(sealed.read_bytes().replace(b"\n", b"\r\n"))
    assert sops.decrypt(sealed) == values


def test_a_second_read_in_one_run_does_not_call_sops_again(sealed, monkeypatch):
    first = sops.read("home", sealed)
    monkeypatch.setattr(tools, "path", lambda name: pytest.fail(f"{name} was called again"))
    assert sops.read("home", sealed) is first


def test_an_age_key_is_for_its_owner_alone(tmp_path):
    recipient = sops.make_age_key(tmp_path / "key.txt")
    assert recipient.startswith("age1")
    if sys.platform != "win32":
        assert (tmp_path / "key.txt").stat().st_mode & 0o077 == 0
    with pytest.raises(SecretsError, match="age-keygen could not"):
        sops.make_age_key(tmp_path / "key.txt")


def test_a_wrong_key_is_told_with_the_recipient_that_is_missing(
    sealed, values, monkeypatch, tmp_path
):
    recipient = yaml.safe_load(sealed.read_text())["sops"]["age"][0]["recipient"]
    sops.make_age_key(tmp_path / "other.txt")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "other.txt"))
    text = refused(sealed, values)
    assert f"sealed for age {recipient}" in text
    assert "set SOPS_AGE_KEY_FILE" in text


def test_no_key_at_all_is_told_the_same_way(sealed, values, monkeypatch):
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    assert "no key at hand opens it" in refused(sealed, values)


def test_a_key_file_of_something_else_is_told(sealed, values, monkeypatch, tmp_path):
    (tmp_path / "broken.txt").write_text("this is no key\n")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "broken.txt"))
    assert "is no age key" in refused(sealed, values)


def test_a_value_taken_away_breaks_the_mac(sealed, values):
    lines = sealed.read_text().splitlines(keepends=True)
    sealed.write_text("".join(line for line in lines if not line.startswith("airflow_jwt_secret")))
    assert "its MAC broke" in refused(sealed, values)


def test_a_secret_taken_out_with_sops_itself_is_missed_by_name(sealed, values, sops_programs):
    unset = [sops_programs["sops"], "unset", sealed, '["airflow_jwt_secret"]']
    subprocess.run(unset, check=True, cwd=sealed.parent)
    assert "airflow_jwt_secret is missing" in refused(sealed, values)


def test_two_values_exchanged_are_found_out(sealed, values):
    document = yaml.safe_load(sealed.read_text())
    first, second = "postgresql_airflow_password", "postgresql_platform_password"
    document[first], document[second] = document[second], document[first]
    sealed.write_text(yaml.safe_dump(document))
    assert "its MAC broke" in refused(sealed, values)


def test_a_broken_value_is_found_out(sealed, values):
    document = yaml.safe_load(sealed.read_text())
    document["airflow_jwt_secret"] = "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"
    sealed.write_text(yaml.safe_dump(document))
    assert "its MAC broke" in refused(sealed, values)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.75, 0.9, 0.97])
def test_a_truncated_file_is_refused_with_the_way_back(sealed, values, part):
    content = sealed.read_bytes()
    sealed.write_bytes(content[: int(len(content) * part)])
    text = refused(sealed, values)
    assert "from Git" in text or "NOT ENCRYPTED" in text


@pytest.mark.parametrize("left", ["<<<<<<< HEAD", "=======", ">>>>>>> branch", "||||||| base"])
def test_what_is_left_of_a_merge_conflict_is_named_as_one(sealed, values, left):
    lines = sealed.read_text().splitlines()
    sealed.write_text("\n".join([*lines[:5], left, *lines[5:], ""]))
    assert "holds a merge conflict: take one side whole" in refused(sealed, values)


def test_two_changes_that_git_merges_are_named_as_a_conflict(sealed, values, tmp_path):
    def git(*arguments, code=0):
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        command = ["git", *who, *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert ran.returncode == code, ran.stderr

    def commit(name):
        sops.set_value(sealed, name, f"new-value-of-{name}")
        git("commit", "-qam", name)

    git("init", "-q")
    git("add", sealed.name)
    git("commit", "-qm", "first")
    git("checkout", "-qb", "branch")
    commit("minio_root_password")
    git("checkout", "-q", "main")
    time.sleep(1)
    commit("airflow_jwt_secret")
    git("merge", "branch", code=1)
    assert "holds a merge conflict" in refused(sealed, values)


def test_a_merge_conflict_is_named_as_one(sealed, values):
    sealed.write_text(f"<<<<<<< HEAD\n{sealed.read_text()}=======\n>>>>>>> branch\n")
    assert "merge conflict" in refused(sealed, values)


def test_a_plain_file_is_refused_loudly(tmp_path, values):
    path = tmp_path / "home.enc.yaml"
    path.write_text(yaml.safe_dump(values))
    assert "IS NOT ENCRYPTED" in refused(path, values)


def test_a_plain_value_in_a_sealed_file_is_refused_by_name(sealed, values):
    sealed.write_text(f"extra: {values['minio_root_user']}\n{sealed.read_text()}")
    text = refused(sealed, values)
    assert "HOLDS SECRETS IN CLEAR: extra" in text


def test_broken_yaml_does_not_show_its_lines(tmp_path, values):
    path = tmp_path / "home.enc.yaml"
    path.write_text(f"a: '{values['minio_root_user']}\nb: [")
    assert "no YAML" in refused(path, values)


@pytest.mark.parametrize("content", [b"", b"[]", b"text", b"\xff\xfe\x00a", b"\x00", b"? [a]: b"])
def test_anything_else_is_refused_too(tmp_path, content):
    path = tmp_path / "home.enc.yaml"
    path.write_bytes(content)
    refused(path, {})


def test_a_missing_file_is_told_with_the_way_to_make_it(tmp_path):
    assert "ampere secrets init home" in refused(tmp_path / "home.enc.yaml", {})


def test_a_folder_in_its_place_is_told(tmp_path):
    assert "cannot be read" in refused(tmp_path, {})


def test_what_is_sealed_is_checked_against_the_model(tmp_path, monkeypatch, values):
    rule(tmp_path / "home.enc.yaml", [sops.make_age_key(tmp_path / "key.txt")])
    wrong = {**values, "airflow_fernet_key": "weak", "extra": "something"}
    sops.encrypt(wrong, tmp_path / "home.enc.yaml")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key.txt"))
    text = refused(tmp_path / "home.enc.yaml", values)
    assert "2 mistakes" in text
    assert "airflow_fernet_key must be 32 bytes" in text


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("creation_rules: [{age: age1nobody}]", "names an age recipient that is none"),
        ("creation_rules: [{path_regex: other, age: age1nobody}]", "has no rule for this file"),
        ("", "has no rule for this file"),
        ("[broken", "is no YAML"),
        (None, "no .sops.yaml"),
    ],
)
def test_rules_that_do_not_do_are_told(tmp_path, values, rules, told):
    if rules is not None:
        (tmp_path / ".sops.yaml").write_text(rules)
    with pytest.raises(SecretsError, match=told):
        sops.encrypt(values, tmp_path / "home.enc.yaml")
    assert not list(tmp_path.glob("*home*")), "a refusal leaves nothing behind"


def test_files_are_opened_side_by_side_and_each_tells_its_own_fault(sealed, values, tmp_path):
    paths = [sealed, tmp_path / "missing.enc.yaml", tmp_path / "plain.enc.yaml"]
    paths[2].write_text("a: b\n")
    opened = sops.decrypt_all(paths)
    assert opened[sealed] == values
    assert "is not there" in str(opened[paths[1]])
    assert "IS NOT ENCRYPTED" in str(opened[paths[2]])
    assert sops.decrypt_all([]) == {}
