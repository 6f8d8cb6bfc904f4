from pathlib import PurePosixPath, PureWindowsPath

import pytest
import yaml

from ampere_infra.secrets import rules
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.recipients import AzureKey, Recipients
from ampere_infra.secrets.rule_text import matches, with_rule

AGE = "age1" + "q" * 58
OTHER = "age1" + "p" * 58
URL = "https://ampere.vault.azure.net/keys/sops/" + "0123456789abcdef" * 2


@pytest.fixture
def home(tmp_path):
    return tmp_path / "secrets" / "home.enc.yaml"


def write(home, *, age=(AGE,), azure=(), text=None):
    place = home.parent.parent / ".sops.yaml"
    if text is not None:
        place.write_text(text, encoding="utf-8")
    return rules.write(place, home, Recipients(tuple(age), tuple(azure)))


def written(home):
    return (home.parent.parent / ".sops.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("age", "azure"), [((AGE,), ()), ((AGE, OTHER), (URL,)), ((), (URL,))])
def test_what_was_written_is_read_back(home, age, azure):
    assert write(home, age=age, azure=azure)
    assert rules.of(home) == Recipients(age, azure)
    assert not write(home, age=age, azure=azure), "a second time nothing changes"


def test_both_keys_stand_in_one_group_so_that_either_opens(home):
    write(home, azure=[URL])
    [rule] = yaml.safe_load(written(home))["creation_rules"]
    [group] = rule["key_groups"]
    assert set(group) == {"azure_keyvault", "age"}, "of two groups sops would need both"
    assert group["azure_keyvault"][0]["version"] == "0123456789abcdef" * 2


def test_a_version_of_digits_stays_text(home):
    url = URL.rpartition("/")[0] + "/" + "1" * 32
    write(home, azure=[url])
    assert rules.of(home).azure_kv == (url,)


def test_each_file_has_a_rule_of_its_own(home):
    api = home.with_name("api.enc.yaml")
    write(home)
    write(api, azure=[URL])
    write(home, age=[OTHER])
    assert rules.of(home) == Recipients((OTHER,))
    assert rules.of(api) == Recipients((AGE,), (URL,))
    assert len(yaml.safe_load(written(home))["creation_rules"]) == 2


def test_a_rule_is_found_on_windows_too():
    relative = PureWindowsPath("secrets", "home.enc.yaml")
    text = with_rule("", relative, Recipients((AGE,)), ".sops.yaml")
    [rule] = yaml.safe_load(text)["creation_rules"]
    for path in (relative, PurePosixPath("secrets/home.enc.yaml")):
        assert matches(rule, path, ""), f"{path} is ruled, whatever parts its folders"
    assert not matches(rule, PurePosixPath("other/secrets/home.enc.yaml"), "")
    assert not matches(rule, PurePosixPath("secrets/home-enc-yaml"), "")


COMMENTED = f"""\
# whose file this is
stores:
  yaml: {{indent: 2}}
creation_rules:
  # everything else
  - path_regex: .*
    age: {OTHER}   # somebody's

  # the end
"""


def test_other_rules_and_comments_stay_as_they_are(home):
    write(home, text=COMMENTED)
    kept = iter(written(home).splitlines())
    assert all(line in kept for line in COMMENTED.splitlines()), "every line is there, in order"
    assert rules.of(home) == Recipients((AGE,)), "the file's own rule goes before the general one"
    assert rules.of(home.with_name("other.yaml")) == Recipients((OTHER,))


def test_a_rule_that_others_follow_is_replaced_in_its_place(home):
    write(home, text=COMMENTED)
    write(home, age=[AGE, OTHER], azure=[URL])
    assert rules.of(home).azure_kv == (URL,)
    assert written(home).count("home") == 1
    assert "# the end" in written(home)


@pytest.mark.parametrize(
    "text",
    [
        f"creation_rules:\n  - age: {AGE},\n      {OTHER}\n    azure_keyvault: {URL}\n",
        f"creation_rules:\n  - age: [{AGE}, {OTHER}]\n    azure_keyvault: [{URL}]\n",
        f"""
creation_rules:
  - key_groups:
    - age: [{AGE}, {OTHER}]
      azure_keyvault:
      - vaultUrl: https://ampere.vault.azure.net/
        key: sops
        version: {URL.rpartition("/")[2]}
""",
    ],
)
def test_rules_are_understood_however_sops_lets_them_be_written(home, text):
    (home.parent.parent / ".sops.yaml").write_text(text)
    assert rules.of(home) == Recipients((AGE, OTHER), (URL,))


def test_the_nearest_file_counts_as_it_does_for_sops(home):
    write(home)
    home.parent.mkdir()
    nearer = home.parent / ".sops.yaml"
    nearer.write_text(f"creation_rules:\n  - age: {OTHER}\n")
    assert rules.of(home) == Recipients((OTHER,))
    assert rules.find(home) == nearer


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("creation_rules: [{age: x}", "is no YAML"),
        ("- a", "must be a list of rules"),
        ("creation_rules: 5", "must be a list of rules"),
        ("creation_rules: [5]", "must be a list of rules"),
        ("creation_rules:\n  - path_regex: '('\n", "is no regular expression"),
        ("creation_rules:\n  - path_regex: other\n    age: x\n", "has no rule for secrets/home"),
        ("creation_rules:\n  - age: ''\n", "names no key at all"),
        ("creation_rules:\n  - age: hunter2\n", "begins with age1"),
        (f"creation_rules:\n  - age: {AGE}\n    pgp: ABC\n", "names pgp"),
        (f"creation_rules:\n  - azure_keyvault: {URL.rpartition('/')[0]}/\n", "with its version"),
        (f"creation_rules:\n  - key_groups: [{{age: [{AGE}]}}, {{age: [{OTHER}]}}]\n", "one key"),
        ("creation_rules:\n  - key_groups: [5]\n", "one key group"),
    ],
)
def test_a_rule_that_does_not_do_is_told(home, text, problem):
    (home.parent.parent / ".sops.yaml").write_text(text)
    with pytest.raises(SecretsError, match=problem):
        rules.of(home)


def test_text_in_another_encoding_is_told(home):
    (home.parent.parent / ".sops.yaml").write_bytes(b"\xff\xfea")
    with pytest.raises(SecretsError, match="no text in UTF-8"):
        rules.of(home)


def test_no_rules_at_all_are_told_with_the_way_to_make_them(home):
    with pytest.raises(rules.NoRuleError, match="ampere secrets init"):
        rules.of(home)


@pytest.mark.parametrize(
    "text",
    [
        f"creation_rules: [{{age: {OTHER}}}]\n",
        f"creation_rules:\n-\n  age: {OTHER}\n",
        "creation_rules: 5\n",
        "a: [\n",
    ],
)
def test_a_file_that_no_rule_can_be_put_into_is_left_alone(home, text):
    with pytest.raises(SecretsError):
        write(home, text=text)
    assert written(home) == text
    assert [entry.name for entry in home.parent.parent.iterdir()] == [".sops.yaml"]


@pytest.mark.parametrize("text", ["", "# mine\n", "stores: {}\n", "creation_rules:\n", "\n\n"])
def test_a_file_without_rules_gets_its_first(home, text):
    write(home, text=text)
    assert rules.of(home) == Recipients((AGE,))


@pytest.mark.parametrize("indent", [0, 2, 6])
def test_a_rule_fits_in_however_the_others_are_indented(home, indent):
    rule = f"{' ' * indent}- path_regex: other\n{' ' * indent}  age: {OTHER}\n"
    write(home, text=f"creation_rules:\n{rule}")
    assert rules.of(home) == Recipients((AGE,))
    assert rule in written(home)


@pytest.mark.parametrize(
    ("age", "azure"), [((), ()), (("AGE-SECRET-KEY-1",), ()), ((AGE,), ("https://v/keys/sops",))]
)
def test_recipients_that_are_none_are_not_written(home, age, azure):
    with pytest.raises(SecretsError):
        write(home, age=age, azure=azure)
    assert not list(home.parent.parent.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://ampere.vault.azure.net/keys/sops",
        "https://ampere.vault.azure.net/keys/sops/",
        "https://ampere.vault.azure.net/keys/sops/latest",
        "http://ampere.vault.azure.net/keys/sops/" + "0" * 32,
        "https://ampere.vault.azure.net/secrets/sops/" + "0" * 32,
        URL + "/more",
    ],
)
def test_a_keys_address_needs_its_version(url):
    assert AzureKey.parse(url) is None


def test_a_keys_address_is_taken_apart_and_put_together_again():
    key = AzureKey.parse(f" {URL}\n")
    assert key is not None
    assert (key.vault, key.key) == ("https://ampere.vault.azure.net", "sops")
    assert str(key) == URL
