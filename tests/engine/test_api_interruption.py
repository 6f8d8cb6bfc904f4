"""The public cluster converges: whatever operation is cut off, and wherever, it heals.

One operation of each kind; with ``AMPERE_EVERY_OPERATION=1`` every one, which takes an hour.
Protection is off here, as it is for whoever means to destroy: what protection refuses is shown in
``test_api_rehearsal.py``.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import shares
import yaml
from drill import API, fast_folder

from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator

failures = shares.failures if os.environ.get("AMPERE_EVERY_OPERATION") else shares.samples


@pytest.fixture(scope="module")
def stack() -> Generator[dict[str, Any]]:
    folder = fast_folder()
    config: dict[str, Any] = read_stack_file(API)
    config["ampere:server"]["protect"] = False
    file = folder / "Pulumi.api.yaml"
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    yield {"stack": "api", "config_file": file}
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def refused(stack: dict[str, Any]) -> list[shares.Trial]:
    return failures(**stack)


@pytest.fixture(scope="module")
def lost(stack: dict[str, Any]) -> list[shares.Trial]:
    return failures(**stack, loses_answers=True)


@pytest.fixture(scope="module")
def killed(stack: dict[str, Any]) -> list[shares.Trial]:
    return shares.kills(**stack)


def tell(what, run, tried, capsys):
    spent = sum(trial.seconds for trial in tried)
    right = sum(not trial.problems for trial in tried)
    refreshed = sum(trial.refreshed for trial in tried)
    with capsys.disabled():
        print(f"\n{what}, {run}: {right} of {len(tried)}, {refreshed} by --refresh, {spent:.0f} s")


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_is_refused_is_healed_by_running_again(refused, run, capsys):
    tried = [trial for trial in refused if trial.run == run]
    tell("refused", run, tried, capsys)
    assert len(tried) > 10, "an operation of each kind has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_what_was_made_though_its_answer_was_lost_is_made_anew(lost, run, capsys):
    tried = [trial for trial in lost if trial.run == run]
    tell("answer lost", run, tried, capsys)
    assert [str(trial) for trial in tried if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_is_not_healed(killed, run, capsys):
    tried = [trial for trial in killed if trial.run == run]
    tell("killed", run, tried, capsys)
    assert len(tried) > 10, "an operation of each kind has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
