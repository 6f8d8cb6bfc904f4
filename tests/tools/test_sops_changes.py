"""Changes to sealed files: a value, the data key, the recipients, by hand."""

import pytest
import yaml
from sops_cases import editor, refused, rule

from ampere_infra.secrets import sops
from ampere_infra.secrets.model import SecretsError

pytestmark = pytest.mark.usefixtures("sops_alone")


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
    rule(sealed, [sops.make_age_key(tmp_path / "other.txt")])
    assert sops.update_keys(sealed) is True
    refused(sealed, values)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "other.txt"))
    assert sops.decrypt(sealed) == values


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


def test_a_file_behind_a_link_is_changed_where_it_is(sealed, values):
    link = sealed.with_name("link.enc.yaml")
    link.symlink_to(sealed.name)
    sops.set_value(link, "minio_root_password", "another-value")
    assert link.is_symlink()
    assert sops.decrypt(sealed)["minio_root_password"] == "another-value"


def test_no_file_is_half_written_if_there_is_no_room(sealed, monkeypatch):
    before = sealed.read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SecretsError, match="cannot be written: No space left"):
        sops.rotate(sealed)
    assert sealed.read_bytes() == before
    assert not list(sealed.parent.glob("*.partial"))
