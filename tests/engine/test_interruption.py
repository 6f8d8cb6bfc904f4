"""A run converges: whatever operation fails, running again heals it."""

from __future__ import annotations

import pytest
import shares


@pytest.fixture(scope="module")
def trials() -> list[shares.Trial]:
    return shares.failures()


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_fails_is_healed_by_running_again(trials, run, capsys):
    tried = [trial for trial in trials if trial.run == run]
    wrong = [str(trial) for trial in tried if trial.problems]
    refreshed = sum(1 for trial in tried if trial.refreshed)
    spent = sum(trial.seconds for trial in tried)
    with capsys.disabled():
        print(
            f"\n{run}: {len(tried) - len(wrong)} of {len(tried)} operations, {spent:.0f} s of work"
        )
        print(f"{refreshed} of them, protected disks, by up --refresh")
    assert len(tried) > 60, "every operation of the run has to be tried"
    assert refreshed <= 5, "only the disks of the master and the data disks may need a refresh"
    assert not wrong, "\n".join(wrong)
