"""``ampere secrets check``, with real files of secrets in every state."""

import re
import subprocess
import sys

import pytest
import yaml
from sops_cases import rule

from ampere_infra import cli
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.command import seen
from ampere_infra.secrets.model import generate

pytestmark = pytest.mark.usefixtures("sops_alone")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-700])


def conflicting(path):
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\n>>>>>>> branch\n")


def plain(path):
    path.write_text(yaml.safe_dump(generate("home")))


def half_plain(path):
    path.write_text(f"extra: Canary0Canary0\n{path.read_text()}")


def broken_mac(path):
    document = yaml.safe_load(path.read_text())
    first, second = "postgresql_airflow_password", "postgresql_platform_password"
    document[first], document[second] = document[second], document[first]
    path.write_text(yaml.safe_dump(document))


def one_removed_by_hand(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("airflow_jwt_secret")))


def one_removed_by_sops(path):
    sops.encrypt({n: v for n, v in generate("home").items() if n != "airflow_jwt_secret"}, path)


def one_too_many(path):
    sops.encrypt({**generate("home"), "airflow_jwt_secrets": "Canary0Canary0"}, path)


def weak(path):
    sops.encrypt({**generate("home"), "airflow_jwt_secret": "Canary0"}, path)


def emptied(path):
    path.write_bytes(b"")


FAULTS = [
    (truncated, "is truncated"),
    (conflicting, "holds a merge conflict"),
    (plain, "IS NOT ENCRYPTED"),
    (half_plain, "HOLDS SECRETS IN CLEAR: extra"),
    (broken_mac, "was changed by something other than sops"),
    (one_removed_by_hand, "airflow_jwt_secret is missing"),
    (one_removed_by_sops, "airflow_jwt_secret is missing"),
    (one_too_many, "airflow_jwt_secrets is unknown"),
    (weak, "airflow_jwt_secret must be 64 or more"),
    (emptied, "IS NOT ENCRYPTED"),
]
INSIDE = {broken_mac, weak}
"""What does not show without a key."""


@pytest.mark.parametrize(("damage", "problem"), FAULTS)
def test_a_fault_is_told_and_stays_one(made, damage, problem):
    made.run("check")
    damage(made.home)
    for _ in range(2):
        text = made.run("check", status=1)
        assert f"secrets/home.enc.yaml: {problem}" in text
        assert "Canary0" not in text


@pytest.mark.parametrize(("damage", "problem"), FAULTS)
def test_without_keys_what_shows_from_outside_is_told(made, monkeypatch, damage, problem):
    damage(made.home)
    monkeypatch.setattr(sops, "decrypt_all", lambda paths: pytest.fail("it was opened"))
    text = made.run("check", "--without-keys", status=0 if damage in INSIDE else 1)
    assert ("fine from outside; it was not opened" if damage in INSIDE else problem) in text


def test_what_was_not_opened_is_not_taken_for_checked(made):
    broken_mac(made.home)
    made.run("check", "--without-keys")
    assert "its MAC broke" in made.run("check", status=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("home.env", "MINIO_ROOT_PASSWORD=Canary0Canary0\n"),
        ("home.dec.yaml", "minio_root_password: Canary0Canary0\n"),
        (".home.enc.yaml.swp", "b0VIM Canary0Canary0"),
        ("old/key.txt", "AGE-SECRET-KEY-1CANARY0"),
        ("empty.yaml", ""),
        (".gitkeep", "Canary0Canary0"),
    ],
)
def test_a_plain_file_in_the_folder_is_refused_whatever_it_is_called(made, name, content):
    path = made.folder / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    text = made.run("check", status=1)
    assert f"secrets/{name}: IS NOT ENCRYPTED" in text
    assert "Canary0" not in text
    assert "secrets/home.enc.yaml: fine" in text


@pytest.mark.parametrize("name", ["hoem.enc.yaml", "home.enc.yml", "old/home.enc.yaml"])
def test_a_sealed_file_of_no_stack_is_refused(made, name):
    path = made.folder / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(made.home.read_bytes())
    assert f"secrets/{name}: belongs to no stack" in made.run("check", status=1)


def test_a_folder_that_is_kept_empty_is_fine(project):
    (project.folder / "secrets").mkdir()
    (project.folder / "secrets" / ".gitkeep").touch()
    assert "there are no files of secrets yet" in project.run("check")
    assert "secrets/home.enc.yaml is not there" in project.run("check", "home", status=1)
    assert "foundation has no secrets" in project.run("check", "foundation", status=2)


@pytest.mark.parametrize("text", [None, "creation_rules: []\n", "[", "creation_rules:\n  - age: x"])
def test_rules_that_are_lost_or_broken_are_told(made, text):
    made.run("check")
    (made.folder / ".sops.yaml").unlink()
    if text:
        (made.folder / ".sops.yaml").write_text(text)
    assert "for whom it is to be sealed is not clear" in made.run("check", status=1)


def test_changed_rules_have_the_file_checked_anew(made, tmp_path):
    made.run("check")
    rule_file = made.folder / ".sops.yaml"
    other = sops.make_age_key(tmp_path / "other.txt")
    rules.write(rule_file, made.home, rules.Recipients((other,)))
    text = made.run("check", status=1)
    assert f"is not sealed for age {other}" in text
    assert "which .sops.yaml does not name" in text


def test_every_fault_of_every_file_is_told_at_once(made):
    made.api.write_text("hcloud_token: Canary0Canary0\n")
    broken_mac(made.home)
    text = made.run("check", status=1)
    assert "secrets/api.enc.yaml: IS NOT ENCRYPTED" in text
    assert "secrets/home.enc.yaml: was changed by something other than sops" in text


def test_what_did_not_change_is_not_opened_again(made, monkeypatch):
    assert "home.enc.yaml: fine\n" in made.run("check")
    monkeypatch.setattr(sops, "decrypt_all", lambda paths: pytest.fail("it was opened again"))
    assert "home.enc.yaml: fine, as before" in made.run("check")
    assert "home.enc.yaml: fine, as before" in made.run("check", "--without-keys")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, null]", b"\xff", b'["' + b"0" * 64 + b'"]'])
def test_a_broken_memory_is_no_memory(made, content):
    made.run("check")
    (made.folder / ".ampere/secrets-checked.json").write_bytes(content)
    assert "home.enc.yaml: fine\n" in made.run("check")


def test_where_nothing_can_be_remembered_all_is_checked_every_time(made):
    (made.folder / ".ampere").write_text("no folder")
    for _ in range(2):
        assert "home.enc.yaml: fine\n" in made.run("check")


def test_a_program_that_judges_otherwise_checks_all_anew(made, monkeypatch, tmp_path):
    made.run("check")
    monkeypatch.setattr(seen, "_CODE", tmp_path / "another")
    assert "home.enc.yaml: fine\n" in made.run("check")


def test_a_check_of_what_did_not_change_loads_nothing_that_takes_long(made):
    made.run("check")
    code = "import sys\nfrom ampere_infra.cli import main\nstatus = main(sys.argv[1:])\n"
    code += "print(*sorted(sys.modules), file=sys.stderr)\nsys.exit(status)"
    command = [sys.executable, "-c", code, "secrets", "check", "--folder", made.folder]
    answer = subprocess.run(
        [*command, "home"], cwd=cli.PROJECT, capture_output=True, text=True, check=True
    )
    modules = set(answer.stderr.split())
    heavy = {"pydantic", "yaml", "pulumi", "subprocess"} & modules
    assert not heavy, "what opens and judges is only imported when something is to be judged"
    assert re.fullmatch(r"secrets/home.enc.yaml: fine, as before\s+", answer.stdout)


def test_a_file_for_a_vault_is_checked_as_one_for_an_age_key(made, azure, monkeypatch, tmp_path):
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    url = azure.vault("ampere-test").add_version("sops")
    made.run("adopt", "--sops-key", url)
    (tmp_path / ".config/sops/age/keys.txt").unlink()
    azure.calls.clear()
    made.run("check")
    assert azure.calls, "it was opened with the vault's key"
    rule(made.home, rules.of(made.home).age)
    assert f"can be opened with {url}, which .sops.yaml does not name" in made.run(
        "check", status=1
    )
