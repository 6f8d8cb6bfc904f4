"""What is read from an `.env` file, and what becomes of it."""

import pytest

from ampere_infra.secrets.command.dotenv import parse
from ampere_infra.secrets.command.env_names import NAMES, field_of, secret_in
from ampere_infra.secrets.command.sorting import sort
from ampere_infra.secrets.model import MODELS, generate

GOOD = "Canary0Canary0Canary0"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("export A=plain", "plain"),
        ("  A = plain  ", "plain"),
        ("A=plain # a comment", "plain"),
        ("A=pl#ain", "pl#ain"),
        ("A='pl # ain' # a comment", "pl # ain"),
        ("A='pl\\n\"ain'", 'pl\\n"ain'),
        (r'A="pl\"\\ \n\$ain"', 'pl"\\ \n$ain'),
        ('A="two\nlines"', "two\nlines"),
        ("A=a=b==", "a=b=="),
        ("A=", ""),
        ("A=''", ""),
        ("A=first\nA=second", "second"),
        ("A=plain\r\nB=x\r\n", "plain"),
        ("\ufeffA=plain", "plain"),
        ("\n# A=no\nA=plain\n\n", "plain"),
    ],
)
def test_values_are_read_as_compose_and_shells_do(text, value):
    read = parse(text.encode())
    assert read.values["A"] == value
    assert not read.unread


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_that_powershell_wrote_are_read(encoding):
    assert parse("A=plain\r\n".encode(encoding)).values == {"A": "plain"}


@pytest.mark.parametrize("text", ["hunter2", "A", "1A=x", "A-B=x", "= x", "A='open", 'A="open'])
def test_a_line_that_is_none_is_told_by_its_number(text):
    read = parse(f"B=x\n{text}\nC=y\n".encode())
    assert read.unread == [2]
    assert read.values == {"B": "x", "C": "y"}, "the others count all the same"


def test_what_is_no_text_is_refused():
    with pytest.raises(UnicodeDecodeError):
        parse(b"\x7fELF\xff")


def test_an_env_file_does_not_show_its_values():
    assert GOOD not in repr(parse(f"A={GOOD}".encode()))


@pytest.mark.parametrize("stack", list(MODELS))
def test_every_secret_has_older_names_and_each_name_means_one_secret(stack):
    assert set(NAMES[stack]) == set(MODELS[stack].model_fields)
    all_names = [name for older in NAMES[stack].values() for name in older]
    assert len(all_names) == len(set(all_names))
    assert all(name == name.upper() for name in all_names)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("MINIO_ROOT_USER", "minio_root_user"),
        ("minio_root_user", "minio_root_user"),
        ("AIRFLOW__CORE__FERNET_KEY", "airflow_fernet_key"),
        ("HCLOUD_TOKEN", None),
    ],
)
def test_a_name_is_known_in_capitals_or_not(name, field):
    assert field_of("home", name) == field


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("plain", "plain"),
        ("postgresql+psycopg2://airflow:a%40b@db:5432/airflow", "a@b"),
        ("postgresql://airflow@db/airflow", ""),
        ("http://[broken", ""),
    ],
)
def test_the_password_of_a_databases_url_is_the_secret(value, secret):
    assert secret_in(value) == secret


def sorted_for(values, stack="home", before=None):
    found = sort(stack, MODELS[stack], values, before or {})
    assert GOOD not in repr(found), "what is told holds no value"
    return found


def test_what_fits_is_taken():
    found = sorted_for({"POSTGRES_PASSWORD": GOOD})
    assert found.taken == {"postgresql_platform_password": GOOD}
    assert found.known == {"POSTGRES_PASSWORD": "postgresql_platform_password"}


def test_a_whole_stack_is_taken_by_the_names_of_its_secrets():
    values = generate("home")
    assert sorted_for({name.upper(): value for name, value in values.items()}).taken == values


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"POSTGRES_PASSWORD": "airflow"}, "postgresql_platform_password must be 16 or more"),
        ({"POSTGRES_PASSWORD": "ChangeMe-0123456789"}, "no placeholder"),
        ({"POSTGRES_PASSWORD": ""}, "there is no value for postgresql_platform_password"),
        ({"POSTGRES_PASSWORD": GOOD, "PGPASSWORD": GOOD + "1"}, "and PGPASSWORD differ, so"),
        ({"POSTGRES_PASSWORD": GOOD, "AIRFLOW_DB_PASSWORD": GOOD}, "give each its own"),
        ({"DATABASE_URL": "postgres://db/"}, "there is no value for"),
    ],
)
def test_what_does_not_fit_is_told_with_its_name_and_rule(values, problem):
    [refusal] = sorted_for(values).refused
    assert problem in refusal
    assert refusal.startswith(tuple(values))


def test_two_names_for_one_value_are_taken_once():
    found = sorted_for({"POSTGRES_PASSWORD": GOOD, "PGPASSWORD": GOOD})
    assert found.known == {"POSTGRES_PASSWORD and PGPASSWORD": "postgresql_platform_password"}


@pytest.mark.parametrize(
    ("held", "told"), [(GOOD, "has this value"), (GOOD[::-1], "has another value, which stays")]
)
def test_a_value_that_exists_stays(held, told):
    found = sorted_for({"PGPASSWORD": GOOD}, before={"postgresql_platform_password": held})
    assert not found.taken
    assert told in found.kept[0]


def test_names_of_another_stack_are_told_apart_from_unknown_ones():
    found = sorted_for({"GHCR_TOKEN": GOOD, "POSTGRES_USER": "airflow"})
    assert found.elsewhere == {"api": ["GHCR_TOKEN"]}
    assert found.unknown == ["POSTGRES_USER"]


@pytest.mark.parametrize("name", ["MIIEpAIBAAKCAQEAx9", "hunter2Hunter", "A" * 65])
def test_a_line_of_a_key_that_looks_like_a_name_is_not_shown(name):
    assert name not in repr(sorted_for({name: ""}))
