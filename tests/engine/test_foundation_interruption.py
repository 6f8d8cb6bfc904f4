"""The foundation converges: whatever operation is cut off, and wherever, it heals."""

from __future__ import annotations

import pytest
import shares
from drill import FOUNDATION

TAKEN_OVER = 1
"""The properties of an account's blobs are there by default: writing them again is no conflict."""


@pytest.fixture(scope="module")
def trials() -> list[shares.Trial]:
    hows = ("refused", "lost", "killed")
    return shares.trials(*hows, stack="foundation", config_file=FOUNDATION)


def of(trials, how, run, capsys):
    tried = [trial for trial in trials if (trial.how, trial.run) == (how, run)]
    with capsys.disabled():
        print(shares.told(f"foundation {how}, {run}", tried))
    return tried


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_azure_refuses_is_healed_by_running_again(trials, run, capsys):
    tried = of(trials, "refused", run, capsys)
    assert shares.operations(tried) >= 13, "every operation of the run has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
    assert sum(trial.imported for trial in tried) == 0, "running again is all there is to do"


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_what_was_made_though_its_answer_was_lost_is_healed_by_an_import(trials, run, capsys):
    tried = of(trials, "lost", run, capsys)
    assert [str(trial) for trial in tried if trial.problems] == []
    by_import = sum(trial.imported for trial in tried)
    assert by_import == (shares.operations(tried) - TAKEN_OVER if run == "up" else 0), (
        "azure-native takes over nothing that it did not record, and deletes nothing twice"
    )


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_is_not_healed(trials, run, capsys):
    tried = of(trials, "killed", run, capsys)
    assert len(tried) >= 6, "an operation of each kind has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
