"""The real engine between a program and a real host: what it shows of commands, how it stops."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi_command import remote

from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.reality import Reality
from ampere_infra.rehearsal.stage import Stage, staged
from ampere_infra.rehearsal.world import World
from tests.engine.drill import HOME
from tests.ground.beside import Beside
from tests.ground.host import ADDRESS, TestHost
from tests.waiting import await_true

if TYPE_CHECKING:
    from collections.abc import Generator

BRIEF = "for n in 1 2; do echo told $n >&2; done; cat >/dev/null; echo whole"
ENDLESS = "echo begun >&2; touch ~/begun; sleep 600"
SECRET = "canary-of-a-command"


@pytest.fixture
def commands() -> dict[str, str]:
    """What the program runs on the host, by the resource's name."""
    return {"brief": BRIEF}


@pytest.fixture
def host(tmp_path) -> Generator[TestHost]:
    with TestHost(tmp_path / "host") as made:
        yield made


@pytest.fixture
def stage(tmp_path, host, commands) -> Generator[Stage]:
    """A program that runs commands on a real host."""
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with ExitStack() as stack:
        host.authorize(key.with_suffix(".pub").read_text())
        given: dict[str, Any] = {"host": ADDRESS, "user": "keeper", "host_key": host.host_key}

        def program() -> None:
            private = pulumi.Output.secret(key.read_text())
            for name, line in commands.items():
                remote.Command(
                    name,
                    connection=remote.ConnectionArgs(private_key=private, **given),
                    create=line,
                    stdin=pulumi.Output.secret(SECRET),
                    logging=remote.Logging.STDERR,
                    add_previous_output_in_env=False,
                )

        world = World(reality=Reality(enter=host.enter), canaries={SECRET})
        project = Project("home", HOME, tmp_path / "out")
        yield stack.enter_context(staged(project, world, program))


def test_the_engine_shows_what_a_command_says_and_keeps_what_it_prints(stage):
    up = stage.engine.up()
    assert up.ok, up.output
    assert "told 1" in up.output
    assert "told 2" in up.output
    again = stage.engine.up()
    assert (again.code, again.changed) == (0, 0)
    assert not stage.world.leaks
    assert stage.engine.destroy().ok


def test_an_interrupted_engine_waits_for_no_command_and_the_next_up_goes_on(stage, host, commands):
    commands["endless"] = ENDLESS

    def strike() -> None:
        await_true((host.home / "begun").exists, "command", 120)
        stage.engine.interrupt()

    beside = Beside(stage.engine.interrupt)
    beside.start(strike)
    up = stage.engine.up()
    beside.finish(60)
    assert not up.ok
    assert "begun" in up.output, "the command was under way"
    commands["endless"] = BRIEF
    assert stage.engine.up().ok
