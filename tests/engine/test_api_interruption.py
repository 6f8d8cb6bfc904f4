"""The public cluster converges: whatever operation is cut off, and wherever, it heals.

In a tailnet only what it adds is cut off. Protection is off here, as it is for whoever means to
destroy: what protection refuses is shown in ``test_api_rehearsal.py``.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import shares
import yaml
from drill import API, fast_folder

from ampere_infra.settings.load import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Generator

TAILNET = "tailnet|api-name|door|admin-access"
"""The names of what is there for a tailnet, or waits for it."""
LEAST = {"up": 60, "destroy": 20}
"""Most of what is in the cluster dies with its server."""


def tried(*hows: str, among: str = "", **sections: object) -> Generator[list[shares.Trial]]:
    folder = fast_folder()
    config: dict[str, Any] = {**read_stack_file(API), **sections}
    config["ampere:server"] = {**config["ampere:server"], "protect": False}
    file = folder / "Pulumi.api.yaml"
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    yield shares.trials(*hows, among=among, stack="api", config_file=file)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def trials() -> Generator[list[shares.Trial]]:
    yield from tried("refused", "lost", "killed")


@pytest.fixture(scope="module")
def in_tailnet() -> Generator[list[shares.Trial]]:
    tailscale = {"ampere:tailscale": {"enabled": True, "tailnet": "tail1a2b3.ts.net"}}
    yield from tried("refused", "killed", among=TAILNET, **tailscale)


def of(trials, how, run, capsys, what="api"):
    chosen = [trial for trial in trials if (trial.how, trial.run) == (how, run)]
    with capsys.disabled():
        print(shares.told(f"{what} {how}, {run}", chosen))
    return chosen


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_every_operation_that_is_refused_is_healed_by_running_again(trials, run, capsys):
    chosen = of(trials, "refused", run, capsys)
    assert shares.operations(chosen) > LEAST[run], "every operation of the run has to be tried"
    assert [str(trial) for trial in chosen if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_what_was_made_though_its_answer_was_lost_is_made_anew(trials, run, capsys):
    chosen = of(trials, "lost", run, capsys)
    assert shares.operations(chosen) > 5, "every operation at Hetzner has to be tried"
    assert [str(trial) for trial in chosen if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
def test_a_killed_engine_leaves_nothing_that_is_not_healed(trials, run, capsys):
    chosen = of(trials, "killed", run, capsys)
    assert len(chosen) > 10, "an operation of each kind has to be tried"
    assert [str(trial) for trial in chosen if trial.problems] == []


@pytest.mark.parametrize("run", ["up", "destroy"])
@pytest.mark.parametrize("how", ["refused", "killed"])
def test_what_a_tailnet_adds_is_healed_as_well(in_tailnet, how, run, capsys):
    chosen = of(in_tailnet, how, run, capsys, "api in a tailnet,")
    assert shares.operations(chosen) >= 4, "joining, answering, the certificate's name, the door"
    assert [str(trial) for trial in chosen if trial.problems] == []
