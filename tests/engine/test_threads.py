"""A program whose hooks run commands never stands still, however much it has declared at once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pulumi
import pulumi_random
import pytest
from drill import HOME, fast_folder
from pulumi_command import local

from ampere_infra.program import give_threads
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World

RESOURCES = 40
SECONDS = 120
"""It takes two; without threads for its hooks it would never end."""


async def ask() -> int:
    """Ask for a command, which the double refuses to run here: an answer is what counts."""
    with pytest.raises(Exception, match="runs nothing on this machine"):
        await local.run(command="true")
    return 8


async def hooked(_: pulumi.ResourceHookArgs) -> None:
    await ask()


def declare() -> None:
    give_threads()
    hook = pulumi.ResourceHook("ask", hooked)
    hooks = pulumi.ResourceHookBinding(before_create=[hook])
    # The provider of the hooks' commands has to be there: making it would be an operation, too.
    length = pulumi.Output.from_input(ask())
    for number in range(RESOURCES):
        opts = pulumi.ResourceOptions(hooks=hooks)
        pulumi_random.RandomString(f"text-{number}", length=length, opts=opts)


def test_hooks_run_commands_while_more_is_registered_than_runs_at_a_time():
    folder = fast_folder()
    with staged(Project("home", HOME, folder / "out"), World(), declare) as stage:
        with ThreadPoolExecutor(1) as pool:
            up = pool.submit(stage.engine.up, "--parallel=2")
            try:
                outcome = up.result(SECONDS)
            finally:
                if not up.done() and stage.engine.process is not None:
                    stage.engine.process.kill()
        assert outcome.ok, outcome.output
        assert outcome.events.counts["create"] >= RESOURCES
    shutil.rmtree(folder)
