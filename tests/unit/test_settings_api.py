"""The settings of ``api``: what a person may want, and what the plan costs."""

from __future__ import annotations

import copy

import pytest
import yaml
from settings_cases import PROJECT, mistakes_of, patched

from ampere_infra.check import check
from ampere_infra.settings import load
from ampere_infra.settings.plan import found, monthly, others

STACK_FILE = PROJECT / "Pulumi.api.yaml"
REAL = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))["config"]


def settings(patch=None):
    return load.parse("api", patched(patch or {}, copy.deepcopy(REAL)))


@pytest.mark.parametrize(
    "patch",
    [
        {"ampere:server": {"type": "ccx13", "location": "ash"}},
        {"ampere:server": {"distribution": "debian-13", "on_user_data_change": "replace"}},
        {"ampere:access": {"admins": {"<replace>": ["198.51.100.0/24", "203.0.113.7"]}}},
        {"ampere:dns": {"zone": "ampere-data.eu", "ttl": 3600}},
        {"ampere:prices": {"primary_ipv4": "0.60 EUR"}},
    ],
    ids=str,
)
def test_what_a_person_may_want_is_accepted(patch):
    assert mistakes_of(patched(patch, copy.deepcopy(REAL)), "api") == []


def test_the_plan_costs_its_server_its_address_and_its_backups():
    assert monthly(settings()) == {
        "server cx33": "6.49 EUR",
        "primary IPv4": "0.50 EUR",
        "total": "6.99 EUR",
    }
    dearer = settings({"ampere:server": {"backups": True, "type": "ccx13"}})
    assert monthly(dearer)["backups"] == "3.20 EUR", "a fifth of the server's price, in whole cents"
    assert monthly(dearer)["total"] == "19.69 EUR"


def test_what_else_would_fit_has_as_much_of_everything_and_the_cheapest_comes_first():
    prices = settings().prices
    row = found(prices, "cx33")
    assert row is not None
    rows = others(prices, row, "fsn1")
    assert rows
    assert rows == sorted(rows, key=lambda other: other.monthly)
    for other in rows:
        assert not other.retired
        assert other.cores >= row.cores
        assert other.memory >= row.memory
        assert other.disk >= row.disk
        assert "fsn1" in other.locations


def test_check_says_what_the_stack_is_and_what_it_costs(capsys):
    assert check("api", STACK_FILE) == 0
    out = capsys.readouterr().out
    for part in ("cx33: 4 vCPU, 8GiB memory", "total         6.99 EUR", "api.ampere-data.eu"):
        assert part in out
    assert all(len(line) <= 100 for line in out.splitlines())
