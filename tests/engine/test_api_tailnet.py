"""The public cluster in a tailnet: from the beginning, joined later, and left again.

Whatever is cut off, and wherever: the public ports shut only when the tailnet has answered, and
open before the server leaves it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from drill import API, Drill, End, fast_folder

from ampere_infra.rehearsal.doubles.command.members import MARK
from ampere_infra.rehearsal.places.hetzner import HetznerCloud
from ampere_infra.rehearsal.places.tailnet import Tailnets
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.secrets.model import generate
from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ampere_infra.rehearsal.world import Operation

NODE, TAILNET = "ampere-api", "tail1a2b3.ts.net"
NAME = f"{NODE}.{TAILNET}"
ADMIN, DOOR, PUBLIC = (f"{NODE}-{use}" for use in ("admin", "door", "public"))
ANSWERED, JOINED, OPENED = f"{NODE}-tailnet", f"{NODE}-tailnet-join", f"{NODE}-admin-access"


def config(*, inside: bool, protect: bool = False, **tailscale: object) -> dict[str, Any]:
    found: dict[str, Any] = read_stack_file(API)
    found["ampere:server"] = {**found["ampere:server"], "protect": protect}
    if inside:
        found["ampere:tailscale"] = {"enabled": True, "tailnet": TAILNET, **tailscale}
    return found


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    made = fast_folder()
    yield made
    shutil.rmtree(made)


def stack_file(folder: Path, **wanted: Any) -> Path:
    file = folder / "Pulumi.api.yaml"
    file.write_text(yaml.safe_dump({"config": config(**wanted)}), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def drill(folder: Path) -> Generator[Drill]:
    """A stack outside, and the same one inside; each was the other before."""
    with Drill(stack="api", config_file=stack_file(folder, inside=False)) as found:
        turn(found, inside=False, save="outside")
        turn(found, inside=True, save="inside")
        yield found


def turn(drill: Drill, *, inside: bool, save: str = "") -> tuple[Operation, ...]:
    """Switch over, and return what was done."""
    drill.stage.project.write(config(inside=inside))
    before = len(drill.world.operations)
    done = drill.stage.engine.up()
    assert done.ok, done.output
    if save:
        drill.save(save)
    return tuple(drill.world.operations[before:])


def walls(drill: Drill) -> set[str]:
    cloud = drill.world.part(HetznerCloud)
    [server] = cloud.servers()
    return {cloud.must("firewalls", one).name for one in server.fields["firewalls"]}


def devices(drill: Drill) -> list[str]:
    return list(drill.world.part(Tailnets).devices)


def number(operations: tuple[Operation, ...], name: str) -> int:
    return next(n for n, o in enumerate(operations) if o.name == name)


def test_a_rehearsal_in_a_tailnet_passes_and_leaves_no_device(folder: Path):
    lines: list[str] = []
    file = stack_file(folder, inside=True, protect=True)
    assert rehearse("api", file, folder / "out", say=lines.append) == 0, "\n".join(lines)


def test_a_new_server_lets_admins_in_until_the_tailnet_has_answered(folder: Path):
    seen: dict[str, set[str]] = {}
    with Drill(stack="api", config_file=stack_file(folder, inside=True)) as found:

        def look(operation: Operation) -> None:
            if any(found.world.part(HetznerCloud).servers()):
                seen[operation.name] = walls(found)

        found.world.on_operation = look
        assert found.stage.engine.up().ok
        assert seen[JOINED] == {PUBLIC, DOOR}
        assert seen[ANSWERED] == {PUBLIC, DOOR}, "nothing shuts before the tailnet has answered"
        assert walls(found) == {PUBLIC}
        wall = found.world.part(HetznerCloud).named("firewalls", DOOR)
        assert wall is not None
        assert {(r["port"], *r["source_ips"]) for r in wall.fields["rules"]} == {
            ("22", "203.0.113.7/32")
        }


def test_a_new_server_whose_tailnet_does_not_answer_keeps_the_admins_door(folder: Path):
    with Drill(stack="api", config_file=stack_file(folder, inside=True)) as found:
        known: list[str] = []

        def fall_silent(operation: Operation) -> None:
            if operation.name == JOINED:
                [server] = found.world.part(HetznerCloud).servers()
                known.append(server.marks.pop(MARK))

        found.world.on_operation = fall_silent
        refused = found.stage.engine.up()
        assert not refused.ok
        [said] = [text for text in refused.errors if ANSWERED in text or NAME in text]
        assert NAME in said, "it names who did not answer"
        assert walls(found) == {PUBLIC, DOOR}, "the admins get in, and nobody else"
        found.world.on_operation = None
        [server] = found.world.part(HetznerCloud).servers()
        [server.marks[MARK]] = known
        assert found.stage.engine.up().ok
        assert walls(found) == {PUBLIC}


def test_joining_shuts_the_public_ports_after_the_tailnet_has_answered(drill: Drill):
    drill.restore("outside")
    done = turn(drill, inside=True)
    assert number(done, JOINED) < number(done, ANSWERED) < number(done, OPENED)
    assert done[number(done, OPENED)].action == "delete"
    assert walls(drill) == {PUBLIC}
    assert devices(drill) == [NAME]
    assert drill.stage.engine.up().changed == 0


def test_a_tailnet_that_does_not_answer_leaves_the_public_ports_open(drill: Drill):
    drill.restore("outside")
    drill.world.part(Tailnets).devices[NAME] = "somebody else's"
    drill.stage.project.write(config(inside=True))
    refused = drill.stage.engine.up()
    assert not refused.ok
    assert f"calls this node {NODE}-1.{TAILNET}, not {NAME}" in refused.output
    assert ADMIN in walls(drill)


def test_leaving_opens_the_public_ports_first(drill: Drill):
    drill.restore("inside")
    done = turn(drill, inside=False)
    assert number(done, OPENED) < number(done, ANSWERED)
    assert walls(drill) == {PUBLIC, ADMIN}
    assert devices(drill) == []
    assert drill.stage.engine.up().changed == 0


def test_what_is_said_and_where_the_program_connects_follow_the_setting(drill: Drill):
    drill.restore("inside")
    outputs = drill.stage.engine.outputs(show_secrets=True)
    assert outputs["api_endpoint"] == f"https://{NAME}:6443"
    assert f"server: https://{NAME}:6443" in outputs["kubeconfig"]
    drill.restore("outside")
    outputs = drill.stage.engine.outputs(show_secrets=True)
    assert NAME not in outputs["kubeconfig"]


def test_another_key_goes_by_the_public_address_and_the_door_is_shut_again(drill: Drill):
    drill.restore("inside")
    seen: list[set[str]] = []
    drill.world.on_operation = lambda operation: (
        seen.append(walls(drill)) if operation.name == JOINED else None
    )
    drill.stage.project.write(config(inside=True) | tags("tag:other"))
    done = drill.stage.engine.up()
    assert done.ok, done.output
    assert seen == [{PUBLIC, DOOR}]
    assert walls(drill) == {PUBLIC}


def tags(*wanted: str) -> dict[str, Any]:
    return {"ampere:tailscale": {"enabled": True, "tailnet": TAILNET, "tags": [*wanted]}}


def test_another_server_takes_the_place_of_the_one_that_left(drill: Drill):
    drill.restore("inside")
    wanted = config(inside=True)
    wanted["ampere:server"]["on_user_data_change"] = "replace"
    drill.stage.project.write(wanted)
    assert drill.stage.engine.up().ok
    [before] = drill.world.part(HetznerCloud).servers()
    wanted["ampere:cluster"]["dns_domain"] = "other.local"
    drill.stage.project.write(wanted)
    done = drill.stage.engine.up()
    assert done.ok, done.output
    [after] = drill.world.part(HetznerCloud).servers()
    assert before.id != after.id
    assert devices(drill) == [NAME]
    assert walls(drill) == {PUBLIC}
    assert drill.stage.engine.up().changed == 0


def test_the_key_is_needed_where_the_tailnet_is(folder: Path, monkeypatch: pytest.MonkeyPatch):
    values = {k: v for k, v in generate("api").items() if k != "tailscale_auth_key"}
    monkeypatch.setattr("ampere_infra.rehearsal.project.generate", lambda _stack: values)
    lines: list[str] = []
    assert rehearse("api", stack_file(folder, inside=True), folder / "out", say=lines.append) == 2
    assert "tailscale_auth_key is missing" in "\n".join(lines)


@pytest.mark.parametrize("start", ["outside", "inside"])
def test_a_switch_that_is_cut_off_anywhere_is_healed_by_running_again(
    drill: Drill, start: str, capsys: pytest.CaptureFixture[str]
):
    drill.restore(start)
    done = turn(drill, inside=start == "outside")
    complete = drill.end()
    assert len(done) >= 10, "each operation has to be tried"
    problems = [p for one in done for p in cut_off(drill, start, one, complete)]
    with capsys.disabled():
        print(f"\nfrom {start}: {len(done)} operations cut off")
    assert problems == []


def cut_off(drill: Drill, start: str, one: Operation, complete: End) -> list[str]:
    """Let an operation of the switch fail, run again, and say what is wrong."""
    drill.restore(start)
    drill.stage.project.write(config(inside=start == "outside"))
    drill.world.fail_at(one.action, one.urn)
    if drill.stage.engine.up().ok:
        return [f"{one.action} {one.name}: undisturbed"]
    reachable = ADMIN in walls(drill) or DOOR in walls(drill) or devices(drill) == [NAME]
    locked = [] if reachable else [f"{one.action} {one.name}: nobody can get in"]
    again = drill.stage.engine.up()
    wrong = complete.differences(drill.end()) if again.ok else again.errors
    return [*locked, *(f"{one.action} {one.name}: {text}" for text in wrong)]
