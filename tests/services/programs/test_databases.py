"""Who enters which database, by the rules that the chart renders."""

from __future__ import annotations

import pytest

OWN = ["airflow", "platform"]
OTHERS = [
    ("airflow", "platform"),
    ("platform", "airflow"),
    ("airflow", "postgres"),
    ("platform", "postgres"),
    ("airflow", "template1"),
]


def password(made, role):
    return made.secrets[f"postgresql/postgresql-{role}"]["password"]


@pytest.mark.parametrize("role", OWN)
def test_a_role_works_in_its_own_database(made, database, role):
    sql = "create table mine (a int); insert into mine values (7); select a from mine"
    done = database.login(role, password(made, role), role, sql)
    assert done.stdout.strip() == "7", done.stderr


@pytest.mark.parametrize(("role", "other"), OTHERS)
def test_a_role_does_not_enter_another_database(made, database, role, other):
    done = database.login(role, password(made, role), other)
    assert done.returncode != 0
    assert "pg_hba.conf rejects connection" in done.stderr, "with the right password all the same"


@pytest.mark.parametrize("role", OWN)
def test_no_password_crosses_the_network_without_tls(made, database, role):
    done = database.login(role, password(made, role), role, tls="disable")
    assert done.returncode != 0
    assert "no encryption" in done.stderr


def test_a_wrong_password_is_refused(database):
    done = database.login("airflow", "wrong", "airflow")
    assert "password authentication failed" in done.stderr


def test_the_superuser_cannot_log_in_from_outside(database):
    done = database.login("postgres", "", "postgres")
    assert done.returncode != 0, "it has no password, and the operator uses the socket"


@pytest.mark.parametrize("role", OWN)
def test_a_role_can_give_itself_nothing(made, database, role):
    for sql in (
        f"create role another superuser; grant pg_read_all_data to {role}",
        "create database another",
        "alter role postgres password 'mine'",
    ):
        assert database.login(role, password(made, role), role, sql).returncode != 0, sql


def test_what_one_role_owns_the_other_could_not_read_even_if_it_came_in(made, database):
    database.login("platform", password(made, "platform"), "platform", "create table books (a int)")
    seen = "set role airflow; select has_table_privilege('books', 'select')"
    assert database.as_owner(seen, "platform") == "f"
    create = "set role airflow; select has_schema_privilege('public', 'create')"
    assert database.as_owner(create, "platform") == "f"
