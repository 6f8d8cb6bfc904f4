"""What `ampere doctor api` finds out by asking Hetzner, which here answers on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import edge_cluster
import pytest
from pydantic import SecretStr
from settings_cases import PROJECT

from ampere_infra.cli import main
from ampere_infra.doctor import hetzner as judged
from ampere_infra.doctor.findings import Verdict
from ampere_infra.secrets import sops
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.model import ApiSecrets, generate

OK, WARNING, BAD, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.BAD, Verdict.UNKNOWN
TOKEN = "canary" + "A1" * 29
ADDRESS = "198.51.100.10"
API = edge_cluster.API_DOMAIN
SITE = edge_cluster.WEBSITE_DOMAIN


def net(text: str, place: str = "fsn1") -> dict[str, Any]:
    return {"location": place, "price_monthly": {"net": text, "gross": "99.0"}}


def answers() -> dict[str, dict[str, Any]]:
    """Of a project in which all is well and nothing is made yet, by path."""
    kind = {"name": "cx33", "disk": 80, "locations": [{"name": "fsn1", "available": True}]}
    pricing = {
        "server_types": [{"name": "cx33", "prices": [net("1.0", "hel1"), net("6.4900000000")]}],
        "primary_ips": [
            {"type": "ipv6", "prices": [net("0.0")]},
            {"type": "ipv4", "prices": [net("0.5000000000")]},
        ],
        "server_backup": {"percentage": "20.0000000000"},
    }
    return {
        "pricing": {"pricing": pricing},
        "server_types": {"server_types": [kind]},
        "servers": {"servers": []},
        "zones": {"zones": [{"name": "ampere-data.eu"}]},
        "primary_ips": {"primary_ips": []},
    }


@pytest.fixture
def project(monkeypatch):
    """Hetzner's answers, for a test to change."""
    told = answers()
    status = {"unauthorized": 401, "unavailable": 503}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            answer = told[urlsplit(self.path).path.removeprefix("/v1/")] if known else REFUSED
            text = json.dumps(answer).encode()
            self.send_response(status[answer["error"]["code"]] if "error" in answer else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format, *args):  # noqa: A002 - its name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HCLOUD_ENDPOINT", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setattr(judged, "addresses_of", lambda names: dict.fromkeys(names, (ADDRESS,)))
        yield told
        server.shutdown()


REFUSED = {"error": {"code": "unauthorized", "message": "unable to authenticate"}}


def looked(token=TOKEN, **sections):
    found = list(judged.hetzner(edge_cluster.settings(**sections), SecretStr(token)))
    assert token not in repr(found), "the token is shown to nobody"
    return {one.check: one for one in found}


def test_a_project_in_which_all_is_well(project):
    found = looked(dns={"zone": "ampere-data.eu"})
    assert {one.verdict for one in found.values()} == {OK}
    assert set(found) == {
        *("token", "server type", "price of cx33", "price of an IPv4", "backups, percent", "zone")
    }


def test_a_token_that_hetzner_does_not_know(project):
    (only,) = looked(token="canary" + "B2" * 29).values()
    assert (only.check, only.verdict) == ("token", BAD)
    assert "unable to authenticate" in only.found
    assert any("secrets edit api" in remedy.command for remedy in only.remedies)


def test_nobody_who_answers(monkeypatch):
    monkeypatch.setenv("HCLOUD_ENDPOINT", "http://127.0.0.1:1/v1")
    (only,) = looked().values()
    assert (only.check, only.verdict) == ("Hetzner", UNKNOWN)
    assert "refused" in only.found


def test_hetzner_that_has_no_time(project):
    project["servers"] = {"error": {"code": "unavailable", "message": "maintenance"}}
    found = looked()
    assert found["token"].verdict is OK
    assert "maintenance" in found["Hetzner"].found


def test_a_type_that_is_sold_out_names_what_else_would_fit(project):
    project["server_types"]["server_types"][0]["locations"][0]["available"] = False
    told = looked()["server type"]
    assert told.verdict is BAD
    assert "cx33 is sold out at fsn1" in told.found
    project["servers"] = {"servers": [{"id": 1, "name": "ampere-api"}]}
    assert looked()["server type"].verdict is OK, "the server is there already"


def test_prices_that_are_others_than_the_plan_is_made_with(project):
    pricing = project["pricing"]["pricing"]
    pricing["server_types"][0]["prices"][1] = net("7.1250000000")
    pricing["primary_ips"][1]["prices"] = []
    pricing["server_backup"]["percentage"] = "25.0000000000"
    found = looked()
    assert found["price of cx33"].verdict is WARNING
    assert found["price of cx33"].found.startswith("7.12 at Hetzner, 6.49 in the settings")
    assert "prices.servers" in found["price of cx33"].remedies[0].command
    assert found["price of an IPv4"].verdict is UNKNOWN
    assert found["backups, percent"].verdict is WARNING


def test_a_zone_that_is_not_in_the_project(project):
    project["zones"]["zones"] = []
    told = looked(dns={"zone": "ampere-data.eu"})["zone"]
    assert told.verdict is BAD
    assert "no zone ampere-data.eu" in told.found
    assert "zone" not in looked(), "none is asked for where none is set"


def test_names_that_lead_elsewhere_once_the_server_has_an_address(project, monkeypatch):
    project["primary_ips"] = {"primary_ips": [{"id": 2, "ip": ADDRESS}]}
    assert looked()[API].verdict is OK
    others = {API: ("203.0.113.9",), SITE: ()}
    monkeypatch.setattr(judged, "addresses_of", lambda _: others)
    found = looked()
    assert found[API].found == f"leads to 203.0.113.9, not to {ADDRESS}"
    assert found[SITE].found == f"leads nowhere, not to {ADDRESS}"
    assert f"{SITE} A {ADDRESS}" in found[SITE].remedies[0].command
    monkeypatch.setattr(judged, "addresses_of", lambda _: {})
    assert looked()[API].verdict is UNKNOWN


@pytest.fixture
def programs(monkeypatch):
    """A machine that has every program."""
    monkeypatch.setattr("ampere_infra.doctor.local.programs", lambda _: ())


def test_the_command_opens_the_token_and_asks(project, programs, monkeypatch, capsys):
    given = ApiSecrets.model_validate({**generate("api"), "hcloud_token": TOKEN})
    monkeypatch.setattr(sops, "read", lambda stack, path: given)
    assert main(["doctor", "api", "--config-file", str(PROJECT / "Pulumi.api.yaml")]) == 0
    printed = capsys.readouterr()
    assert "ok   token" in printed.out
    assert "asking Hetzner" in printed.err
    assert TOKEN not in printed.out + printed.err


def test_without_the_token_hetzner_is_not_asked(project, programs, monkeypatch, capsys):
    def closed(stack, path):
        raise SecretsError("secrets/api.enc.yaml", "no key at hand opens it")

    monkeypatch.setattr(sops, "read", closed)
    assert main(["doctor", "api", "--config-file", str(PROJECT / "Pulumi.api.yaml")]) == 1
    printed = capsys.readouterr()
    assert "BAD  file  secrets/api.enc.yaml: no key at hand opens it" in printed.out
    assert "Hetzner was not asked" in printed.err
