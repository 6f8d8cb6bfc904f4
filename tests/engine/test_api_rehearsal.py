"""The whole ``api``, from the project's own stack file, as a person sees it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from drill import API, Drill
from rehearsals import rehearsal

from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hetzner import HetznerCloud, Thing
from ampere_infra.settings.load import read_stack_file

NODE = "ampere-api"
PROTECTED = {
    *("site-mark", "site-network", "site-ipv4", "site-ipv6"),
    *("birth", "ampere-api", "ampere-api-identity"),
    *("ampere-api-ca-key", "ampere-api-ca", "ampere-api-node-key", "ampere-api-encryption-key-1"),
}
ATTACHED = {"site-key", "site-public", "site-group", "site-subnet", "ampere-api-user-data"}
"""What is not protected itself and stays with the server."""


@pytest.fixture(scope="module")
def rehearsed():
    with rehearsal("api", API) as found:
        yield found


@pytest.fixture(scope="module")
def drill():
    """A stack whose runs begin where the test says: complete."""
    with Drill(stack="api", config_file=API) as found:
        up = found.stage.engine.up()
        assert up.ok, up.output
        found.save("up")
        yield found


@pytest.fixture
def up(drill):
    drill.restore("up")
    drill.stage.project.write(read_stack_file(API))
    return drill


def hetzner(drill) -> HetznerCloud:
    return drill.world.part(HetznerCloud)


def the_server(drill):
    [found] = hetzner(drill).servers()
    return found


def write(drill, section: str, **values: object) -> None:
    config: dict[str, Any] = read_stack_file(API)
    config[f"ampere:{section}"] = {**config.get(f"ampere:{section}", {}), **values}
    drill.stage.project.write(config)


def steps(outcome):
    return {
        (step.op, step.name)
        for step in outcome.events.changes
        if step.type != "pulumi:pulumi:Stack"
    }


def test_a_rehearsal_passes_its_verdict(rehearsed):
    assert rehearsed.code == 0, rehearsed.said
    assert re.fullmatch(
        r"\d+ created, 0 changed on the second up, 0 left after destroy; 0 changed after a "
        r"refresh, 0 secrets in clear",
        rehearsed.lines[-1],
    )


def test_a_rehearsal_shows_what_destroy_keeps_and_the_word_that_lifts_it(rehearsed):
    said = rehearsed.said
    refused = next(line for line in rehearsed.lines if line.startswith("destroy: refused"))
    spared = next(line for line in rehearsed.lines if "--exclude-protected" in line)
    for name in PROTECTED:
        assert name in refused
        assert name in spared
    assert said.index("--exclude-protected") < said.index("server.protect: false")


def test_the_outputs_are_what_a_person_needs(up):
    outputs = up.stage.engine.outputs(show_secrets=True)
    address = outputs["server"]["ipv4"]
    assert outputs["api_endpoint"] == f"https://{address}:6443"
    assert f"server: https://{address}:6443" in outputs["kubeconfig"]
    assert outputs["dns_records"] == {
        "api.ampere-data.eu A": address,
        "www.ampere-data.eu A": address,
    }, "no AAAA: the gateway answers at no IPv6 address"
    assert outputs["urls"] == {
        "api": "https://api.ampere-data.eu",
        "website": "https://www.ampere-data.eu",
    }
    assert outputs["monthly_cost"]["total"] == "6.99 EUR"


def test_the_server_is_protected_and_in_its_places(up):
    node = the_server(up)
    assert node.protected
    assert node.fields["placement_group"]
    walls = {hetzner(up).must("firewalls", one).name for one in node.fields["firewalls"]}
    assert walls == {"ampere-api-public", "ampere-api-admin"}
    assert all(ip.protected for ip in hetzner(up).of("primary_ips"))


def test_the_admin_ports_are_open_for_the_admins_alone(up):
    wall = hetzner(up).named("firewalls", "ampere-api-admin")
    assert wall is not None
    rules = {(r["port"], *r["source_ips"]) for r in wall.fields["rules"]}
    assert rules == {("22", "203.0.113.7/32"), ("6443", "203.0.113.7/32")}


def test_no_secret_is_in_the_user_data(up):
    born = json.dumps(the_server(up).born_of.__dict__, default=str)
    assert "-----BEGIN" not in born, "no key, no certificate"
    for name, secret in up.stage.project.secrets.items():
        assert secret not in born, name


def test_another_user_data_is_shown_and_leaves_the_server(up):
    write(up, "cluster", dns_domain="other.local")
    planned = up.stage.engine.preview()
    assert ("update", f"{NODE}-user-data") in steps(planned), "the plan shows it"
    assert not [op for op, name in steps(planned) if name == NODE]
    before = the_server(up).id
    assert up.stage.engine.up().ok
    assert the_server(up).id == before


def test_the_explicit_word_replaces_the_server_and_keeps_its_addresses(up):
    engine, before = up.stage.engine, the_server(up).id
    objects = set(up.world.part(Cluster).things)
    releases = set(up.world.part(Cluster).releases)
    addresses = {ip.name: ip.fields["ip"] for ip in hetzner(up).of("primary_ips")}
    write(up, "server", protect=False, on_user_data_change="replace")
    assert engine.up().ok
    assert the_server(up).id == before, "the word alone changes nothing"
    config: dict[str, Any] = read_stack_file(API)
    config["ampere:server"] |= {"protect": False, "on_user_data_change": "replace"}
    config["ampere:cluster"]["dns_domain"] = "other.local"
    up.stage.project.write(config)
    done = engine.up()
    assert done.ok, done.output
    assert the_server(up).id != before
    assert {ip.name: ip.fields["ip"] for ip in hetzner(up).of("primary_ips")} == addresses
    assert set(up.world.part(Cluster).things) == objects, "all is there again"
    assert set(up.world.part(Cluster).releases) == releases
    assert engine.up().changed == 0


def test_another_kubernetes_replaces_nothing(up):
    write(up, "versions", kubernetes="1.36.4")
    planned = up.stage.engine.preview()
    assert not [op for op, _ in steps(planned) if "replace" in op]


def test_another_size_is_a_change_in_place(up):
    write(up, "server", type="cx43")
    before = the_server(up).id
    planned = up.stage.engine.preview()
    assert ("update", NODE) in steps(planned)
    assert up.stage.engine.up().ok
    assert (the_server(up).id, the_server(up).fields["server_type"]) == (before, "cx43")


def test_a_type_that_is_sold_out_is_told_with_what_else_fits():
    with Drill(stack="api", config_file=API) as found:
        hetzner(found).withdrawn["cx33", "fsn1"] = "sold out"
        planned = found.stage.engine.preview()
        assert not planned.ok
        text = planned.output
        assert "cx33" in text
        assert "cx43" in text, "what else would fit"


def test_a_plain_destroy_is_refused_and_deletes_nothing(up):
    before = up.world.snapshot()
    assert not up.stage.engine._operate("destroy", "--yes", on_step=None).ok
    assert up.world.snapshot() == before


def test_a_destroy_of_the_rest_keeps_server_network_and_addresses(up):
    before = up.world.snapshot()
    assert up.stage.engine.destroy("--exclude-protected").ok
    state = up.stage.engine.export()["deployment"]["resources"]
    kept = {r["urn"].rpartition("::")[2] for r in state if r["custom"] and r.get("id")}
    providers = {r["urn"].rpartition("::")[2] for r in state if "pulumi:providers:" in r["type"]}
    assert kept - providers == PROTECTED | ATTACHED
    assert {(thing.kind, thing.name) for thing in hetzner(up).things.values()} == {
        *((kind, NODE) for kind in ("servers", "networks", "placement_groups", "ssh_keys")),
        *(("primary_ips", f"{NODE}-ipv{version}") for version in (4, 6)),
        ("firewalls", f"{NODE}-public"),
    }
    assert up.world.snapshot()["Cluster"] == before["Cluster"], "the server goes on serving"
    assert up.stage.engine.up().ok, "what was kept is used again"
    assert up.world.snapshot() == before


def test_what_is_somebody_elses_is_never_touched():
    with Drill(stack="api", config_file=API) as found:
        other = hetzner(found)
        mine = Thing(other.next_id(), "networks", "ampere-api", {"owner": "me"})
        mine.fields |= {"ip_range": "10.99.0.0/16", "subnets": []}
        other.things[mine.id] = mine
        refused = found.stage.engine.up()
        assert not refused.ok
        assert "ampere-api" in refused.output
        assert hetzner(found).get("networks", mine.id) is not None


def test_records_are_set_in_a_zone_at_hetzner(up):
    write(up, "dns", zone="ampere-data.eu")
    assert up.stage.engine.up().ok
    names = {record.name for record in hetzner(up).of("rrsets")}
    assert names == {"ampere-data.eu/api/A", "ampere-data.eu/www/A"}
