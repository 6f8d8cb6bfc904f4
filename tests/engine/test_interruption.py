"""A run converges: whatever fails, and wherever the engine dies, running again heals it."""

from __future__ import annotations

import pytest
import shares


@pytest.fixture(scope="module")
def trials() -> list[shares.Trial]:
    return shares.trials("refused", "killed")


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_fails_is_healed_by_running_again(trials, run, capsys):
    tried = [trial for trial in trials if (trial.how, trial.run) == ("refused", run)]
    with capsys.disabled():
        print(shares.told(f"home refused, {run}", tried))
    assert shares.operations(tried) > 60, "every operation of the run has to be tried"
    refreshed = sum(trial.refreshed for trial in tried)
    assert refreshed <= 5, "only the disks of the master and the data disks may need a refresh"
    assert [str(trial) for trial in tried if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_the_next_run_does_not_heal(trials, run, capsys):
    tried = [trial for trial in trials if (trial.how, trial.run) == ("killed", run)]
    with capsys.disabled():
        print(shares.told(f"home killed, {run}", tried))
    assert len(tried) > 12, "an operation of each kind has to be tried"
    assert [str(trial) for trial in tried if trial.problems] == []
