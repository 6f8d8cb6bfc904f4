"""The foundation converges: whatever operation is cut off, and wherever, it heals."""

from __future__ import annotations

import pytest
import shares
from drill import FOUNDATION

STACK = {"stack": "foundation", "config_file": FOUNDATION}
TAKEN_OVER = 1
"""The properties of an account's blobs are there by default: writing them again is no conflict."""


@pytest.fixture(scope="module")
def refused() -> list[shares.Trial]:
    return shares.failures(**STACK)


@pytest.fixture(scope="module")
def lost() -> list[shares.Trial]:
    return shares.failures(**STACK, loses_answers=True)


@pytest.fixture(scope="module")
def killed() -> list[shares.Trial]:
    return shares.kills(**STACK)


def tell(what, run, tried, capsys):
    spent = sum(trial.seconds for trial in tried)
    right = sum(not trial.problems for trial in tried)
    imported = sum(trial.imported for trial in tried)
    with capsys.disabled():
        print(f"\n{what}, {run}: {right} of {len(tried)}, {imported} imported, {spent:.0f} s")


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_azure_refuses_is_healed_by_running_again(refused, run, capsys):
    tried = [trial for trial in refused if trial.run == run]
    tell("refused", run, tried, capsys)
    assert len(tried) >= 13, "every operation of the run has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
    assert sum(trial.imported for trial in tried) == 0, "running again is all there is to do"


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_what_was_made_though_its_answer_was_lost_is_healed_by_an_import(lost, run, capsys):
    tried = [trial for trial in lost if trial.run == run]
    tell("answer lost", run, tried, capsys)
    assert [str(trial) for trial in tried if trial.problems] == []
    by_import = sum(trial.imported for trial in tried)
    assert by_import == (len(tried) - TAKEN_OVER if run == "up" else 0), (
        "azure-native takes over nothing that it did not record, and deletes nothing twice"
    )


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_is_not_healed(killed, run, capsys):
    tried = [trial for trial in killed if trial.run == run]
    tell("killed", run, tried, capsys)
    assert len(tried) >= 6, "an operation of each kind has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
