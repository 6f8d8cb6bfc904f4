"""The wrapper around ``sops``, with the real ``sops`` and ``age-keygen``."""

import os
import sys
import time
import traceback
from pathlib import Path

import pytest
import yaml

from ampere_infra import tools
from ampere_infra.secrets import run, sops
from ampere_infra.secrets.model import HomeSecrets, SecretsError, generate


@pytest.fixture(autouse=True)
def no_keys_of_the_user(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("SOPS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture(scope="session")
def programs(tool):
    """Find them before the home folder, where the cache is, is hidden."""
    return {name: tool(name) for name in ("sops", "age-keygen")}


@pytest.fixture(autouse=True)
def found(programs, monkeypatch):
    monkeypatch.setattr(tools, "path", lambda name, report=None: programs[name])


@pytest.fixture
def values():
    return generate("home")


@pytest.fixture
def sealed(tmp_path, monkeypatch, values):
    rule(tmp_path, sops.make_age_key(tmp_path / "key.txt"))
    sops.encrypt(values, tmp_path / "home.enc.yaml")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key.txt"))
    return tmp_path / "home.enc.yaml"


def rule(folder, recipient):
    rules = {"creation_rules": [{"path_regex": r"home\.enc\.yaml$", "age": recipient}]}
    (folder / ".sops.yaml").write_text(yaml.safe_dump(rules))


def refused(path, values):
    """Return the text of the refusal, having looked for values in all that it carries."""
    with pytest.raises(SecretsError) as caught:
        sops.read("home", path)
    links: list[BaseException] = [caught.value]
    while (before := links[-1].__context__) is not None:
        links.append(before)
    carried = [*map(repr, links), *(repr(vars(link)) for link in links)]
    carried.append("".join(traceback.format_exception(caught.value)))
    for value in values.values():
        assert not any(value in text for text in carried), "an error must not carry a secret"
    assert path.as_posix() in str(caught.value), "an error names the file"
    return str(caught.value)


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
    rule(tmp_path, sops.make_age_key(tmp_path / "key.txt"))
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


def test_one_value_is_changed_and_nothing_else(sealed, values):
    before = yaml.safe_load(sealed.read_text())
    sops.set_value(sealed, "minio_root_password", 'new "value"\\ with all')
    after = yaml.safe_load(sealed.read_text())
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {"minio_root_password", "sops"}
    assert sops.decrypt(sealed) == {**values, "minio_root_password": 'new "value"\\ with all'}


def test_a_value_that_is_there_already_changes_nothing(sealed, values):
    before = sealed.read_bytes()
    sops.set_value(sealed, "minio_root_password", values["minio_root_password"])
    assert sealed.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", '"]["sops', "a.b"])
def test_a_name_that_is_none_is_refused(sealed, name):
    with pytest.raises(SecretsError, match="letters, digits and _"):
        sops.set_value(sealed, name, "value")


def test_rotating_makes_a_new_data_key_and_new_ciphertexts(sealed, values):
    before = yaml.safe_load(sealed.read_text())
    sops.rotate(sealed)
    after = yaml.safe_load(sealed.read_text())
    assert all(before[name] != after[name] for name in values)
    assert before["sops"]["age"][0]["enc"] != after["sops"]["age"][0]["enc"]
    assert sops.decrypt(sealed) == values


def test_keys_are_those_of_the_rules_after_an_update(sealed, values, monkeypatch, tmp_path):
    assert sops.update_keys(sealed) is False, "there is nothing to do"
    rule(tmp_path, sops.make_age_key(tmp_path / "other.txt"))
    assert sops.update_keys(sealed) is True
    refused(sealed, values)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "other.txt"))
    assert sops.decrypt(sealed) == values


def editor(monkeypatch, folder, code):
    program = folder / "editor"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n{code}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("SOPS_EDITOR", str(program))


def test_what_was_edited_is_sealed(sealed, values, monkeypatch, tmp_path):
    editor(monkeypatch, tmp_path, "file.write_text(file.read_text() + 'more: new value\\n')")
    assert sops.edit(sealed) is True
    assert sops.decrypt(sealed) == {**values, "more": "new value"}


def test_an_editor_that_changes_nothing_leaves_the_file_as_it_is(sealed, monkeypatch, tmp_path):
    before = sealed.read_bytes()
    editor(monkeypatch, tmp_path, "")
    assert sops.edit(sealed) is False
    assert sealed.read_bytes() == before


def test_a_file_that_changed_while_it_was_edited_is_left_alone(sealed, monkeypatch, tmp_path):
    code = f"open({str(sealed)!r}, 'a').write('# other')\nfile.write_text('more: new')"
    editor(monkeypatch, tmp_path, code)
    with pytest.raises(SecretsError, match="meanwhile"):
        sops.edit(sealed)
    assert sealed.read_text().endswith("# other")


def test_files_are_opened_side_by_side_and_each_tells_its_own_fault(sealed, values, tmp_path):
    paths = [sealed, tmp_path / "missing.enc.yaml", tmp_path / "plain.enc.yaml"]
    paths[2].write_text("a: b\n")
    opened = sops.decrypt_all(paths)
    assert opened[sealed] == values
    assert "is not there" in str(opened[paths[1]])
    assert "IS NOT ENCRYPTED" in str(opened[paths[2]])
    assert sops.decrypt_all([]) == {}


def impostor(folder, code):
    """Put a program in place of sops."""
    path = folder / "impostor"
    path.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    path.chmod(0o755)
    return lambda name, report=None: path


def test_a_sops_that_hangs_is_ended_with_its_children(sealed, values, monkeypatch, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"print({values['minio_root_user']!r}, flush=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    monkeypatch.setattr(run, "LIMIT_SECONDS", 1.0)
    started = time.monotonic()
    assert "did not end within 1 s" in refused(sealed, values)
    assert time.monotonic() - started < 5, "the time limit holds although a child keeps the pipe"
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/status")
    assert not state.exists() or "State:\tZ" in state.read_text(), "no child outlives the call"


def test_what_sops_writes_about_a_failure_is_not_repeated(sealed, values, monkeypatch, tmp_path):
    code = f"import sys\nsys.stderr.write({' '.join(values.values())!r})\nsys.exit(1)"
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    assert "status 1" in refused(sealed, values)


def test_output_that_is_no_json_is_refused_without_showing_it(
    sealed, values, monkeypatch, tmp_path
):
    code = f"print({values['minio_root_user']!r})"
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    assert "sops answered with something that is no JSON" in refused(sealed, values)


def test_sops_is_given_only_the_variables_that_it_needs(sealed, values, monkeypatch, tmp_path):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "not for sops")
    monkeypatch.setenv("AZURE_TENANT_ID", "for sops")
    record = tmp_path / "record"
    code = (
        f"import os\nopen({str(record)!r}, 'w').write(repr(dict(os.environ)))\nraise SystemExit(1)"
    )
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    refused(sealed, values)
    seen = record.read_text()
    assert "not for sops" not in seen
    assert "AZURE_TENANT_ID" in seen
    assert "SOPS_AGE_KEY_FILE" in seen


def test_a_missing_sops_is_told_with_the_ways_to_get_it(sealed, values, monkeypatch):
    def missing(name, report=None):
        raise tools.BuildError("install Go")

    monkeypatch.setattr(tools, "path", missing)
    text = refused(sealed, values)
    assert "needs sops" in text
    assert "install Go" in text
