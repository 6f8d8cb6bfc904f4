"""A run converges even if the engine dies between an operation's effect and its record."""

from __future__ import annotations

import pytest
import shares


@pytest.fixture(scope="module")
def trials() -> list[shares.Trial]:
    return shares.kills()


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_the_next_run_does_not_heal(trials, run, capsys):
    tried = [trial for trial in trials if trial.run == run]
    wrong = [str(trial) for trial in tried if trial.problems]
    with capsys.disabled():
        spent = sum(trial.seconds for trial in tried)
        print(f"\n{run}: {len(tried) - len(wrong)} of {len(tried)} kills, {spent:.0f} s of work")
        print(f"{sum(trial.refreshed for trial in tried)} of them by {run} --refresh")
    assert len(tried) > 12, "an operation of each kind has to be tried"
    assert not wrong, "\n".join(wrong)
