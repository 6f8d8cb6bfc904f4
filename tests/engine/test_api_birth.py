"""The server from its birth on: what is refused, what a word replaces later, and the price."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from drill import API, Drill

from ampere_infra.rehearsal.places.hetzner import HetznerCloud
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.secrets.model import generate
from ampere_infra.settings.load import read_stack_file

CHANGES = {
    "cluster.name": ("ampere-api", "other"),
    "server.name": ("ampere-api", "other"),
    "server.location": ("fsn1", "nbg1"),
    "network.range": ("10.20.0.0/16", "10.20.0.0/17"),
}


@pytest.fixture(scope="module")
def drill():
    """A stack whose runs begin where the test says: complete."""
    with Drill(stack="api", config_file=API) as found:
        found.stage.project.write(settings(protect=False))
        up = found.stage.engine.up()
        assert up.ok, up.output
        found.save("open")
        found.stage.project.write(settings())
        assert found.stage.engine.up().ok
        found.save("protected")
        yield found


def settings(**server: object) -> dict[str, Any]:
    config: dict[str, Any] = read_stack_file(API)
    config["ampere:server"] |= server
    return config


def changed(path: str, value: str, **server: object) -> dict[str, Any]:
    config = settings(**server)
    section, _, key = path.partition(".")
    config[f"ampere:{section}"][key] = value
    return config


@pytest.mark.parametrize("setting", CHANGES)
@pytest.mark.parametrize("protect", [False, True], ids=["open", "protected"])
def test_what_cannot_change_is_refused_and_nothing_is_touched(drill, setting, protect):
    old, new = CHANGES[setting]
    drill.restore("protected" if protect else "open")
    before = drill.world.snapshot()
    drill.stage.project.write(changed(setting, new, protect=protect, on_user_data_change="replace"))
    for run in (drill.stage.engine.preview, drill.stage.engine.up):
        refused = run()
        assert not refused.ok
        assert f"ampere:{setting} is {new}, and was {old}" in refused.output
        assert f"Write {old} again" in refused.output, "what to do is said"
        assert "Traceback" not in refused.output
        assert drill.world.snapshot() == before, "not even with the word replace"
    drill.stage.project.write(settings(protect=protect))
    again = drill.stage.engine.preview()
    assert again.ok, again.output
    left = [step for step in again.events.changes if not step.type.startswith("ampere:")]
    assert left == [], "written back, it is as before, but for names of components in the state"


def test_another_subnet_and_address_leave_the_server_its_life(drill):
    drill.restore("open")
    [before] = drill.world.part(HetznerCloud).servers()
    config = settings(protect=False)
    config["ampere:network"] |= {"subnet": "10.20.2.0/24", "address": "10.20.2.10"}
    drill.stage.project.write(config)
    up = drill.stage.engine.up()
    assert up.ok, up.output
    [after] = drill.world.part(HetznerCloud).servers()
    assert after.id == before.id
    assert [net["ip"] for net in after.fields["networks"]] == ["10.20.2.10"]


def test_a_dns_challenge_without_its_token_is_told_as_text(tmp_path, monkeypatch):
    values = {name: secret for name, secret in generate("api").items() if name != "dns_token"}
    monkeypatch.setattr("ampere_infra.rehearsal.project.generate", lambda _stack: values)
    file = tmp_path / "Pulumi.api.yaml"
    config = settings()
    config["ampere:certificates"]["challenge"] = "cloudflare"
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    lines: list[str] = []
    code = rehearse("api", file, tmp_path / "out", say=lines.append)
    said = "\n".join(lines)
    assert code == 2, said
    assert "dns_token is missing, which ampere:certificates.challenge cloudflare needs" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("word", ["sold out", "retired"])
def test_a_new_server_of_a_type_that_is_not_to_be_had_is_told_what_else_fits(word):
    with Drill(stack="api", config_file=API) as found:
        cloud = found.world.part(HetznerCloud)
        cloud.withdrawn["cx33", "fsn1"] = cloud.withdrawn["cx43", "fsn1"] = word
        refused = found.stage.engine.preview()
        assert not refused.ok
        assert re.search(rf"cx33 \w+ {word} at fsn1; these would fit: ", refused.output)
        assert "cpx32 (13.99 EUR)" in refused.output
        assert "cx43" not in refused.output, "it is not to be had either"


@pytest.mark.parametrize("word", ["sold out", "retired"])
def test_a_server_keeps_its_size_where_the_wanted_one_is_not_to_be_had(drill, word):
    drill.restore("protected")
    before = drill.world.snapshot()
    drill.world.part(HetznerCloud).withdrawn["cx43", "fsn1"] = word
    drill.stage.project.write(settings(type="cx43"))
    for run in (drill.stage.engine.preview, drill.stage.engine.up):
        refused = run()
        assert not refused.ok
        assert re.search(rf"cx43 \w+ {word} at fsn1; these would fit: cx53", refused.output)
        assert "Traceback" not in refused.output
    assert drill.world.snapshot() == before


@pytest.mark.parametrize("word", ["sold out", "retired"])
def test_a_server_whose_own_type_is_gone_is_changed_all_the_same(drill, word):
    drill.restore("protected")
    drill.world.part(HetznerCloud).withdrawn["cx33", "fsn1"] = word
    drill.stage.project.write(settings(backups=True))
    changed = drill.stage.engine.up()
    assert changed.ok, changed.output
    [node] = drill.world.part(HetznerCloud).servers()
    assert node.fields["backups"]


def test_a_server_is_not_stopped_for_a_type_whose_disk_is_too_small(drill):
    drill.restore("protected")
    before = drill.world.snapshot()
    drill.stage.project.write(settings(type="cx23"))
    for run in (drill.stage.engine.preview, drill.stage.engine.up):
        refused = run()
        assert not refused.ok
        assert "cx23 has a disk of 40 GB, the server's has 80 and cannot shrink" in refused.output
        assert "these would fit: cx33 (6.49 EUR)" in refused.output
    assert drill.world.snapshot() == before, "it runs on"


def test_a_kept_user_data_is_replaced_by_the_explicit_word_later(drill):
    drill.restore("open")
    cloud = drill.world.part(HetznerCloud)

    def up(word):
        config = settings(protect=False, on_user_data_change=word)
        config["ampere:cluster"]["dns_domain"] = "other.local"
        drill.stage.project.write(config)
        done = drill.stage.engine.up()
        assert done.ok, done.output
        [node] = cloud.servers()
        return node.id, "other.local" in node.born_of.user_data

    [before] = cloud.servers()
    assert up("keep") == (before.id, False), "it stays as it was born"
    after, is_told = up("replace")
    assert after != before.id
    assert is_told
    assert up("replace") == (after, True)
    assert up("keep") == (after, True)


def test_a_plan_tells_what_a_month_costs():
    with Drill(stack="api", config_file=API) as found:
        planned = found.stage.engine.preview()
        assert planned.ok, planned.output
        for cost in ("server cx33", "6.49 EUR", "primary IPv4", "0.50 EUR", "total", "6.99 EUR"):
            assert cost in planned.output


def test_a_plan_of_another_size_tells_both_sums(drill):
    drill.restore("protected")
    drill.stage.project.write(settings(type="cx43"))
    planned = drill.stage.engine.preview()
    assert planned.ok, planned.output
    assert re.search(r'total *: "6\.99 EUR" => "12\.49 EUR"', planned.output)
